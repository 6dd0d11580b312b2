//! The macros: plans of the paper's three stages, and every option of a config.

#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]

use pylightnix::prelude::*;

/// The coefficients of the function to minimise.
#[derive(Config)]
pub struct Params {
    /// The coefficients.
    #[selfref("params.npy")]
    pub out: SelfRef<Npy<f64>>,
}

#[stage(matcher = only())]
fn params(b: &Build<Params>) -> Result<ParamsOutputs> {
    Ok(ParamsOutputs {
        out: b.out.save(&ndarray::array![2., 3.].into_dyn())?,
    })
}

/// The annealing.
#[derive(Config)]
pub struct Anneal {
    /// All places.
    #[selfref("tracex.npy")]
    pub trace_xs: SelfRef<Npy<f64>>,
    /// Their energies.
    #[selfref("tracef.npy")]
    pub trace_fs: SelfRef<Npy<f64>>,
    /// The best place.
    #[selfref("result.npy")]
    pub out: SelfRef<Npy<f64>>,
    /// The coefficients.
    #[dref]
    pub ref_params: DRef<Params>,
    /// How many steps.
    #[config(default = 500, omit_default)]
    pub maxiter: u64,
}

#[stage]
fn anneal(b: &Build<Anneal>) -> Result<AnnealOutputs> {
    let params = b.ref_params.out.load()?;
    Ok(AnnealOutputs {
        trace_xs: b.trace_xs.save(&params)?,
        trace_fs: b.trace_fs.save(&params)?,
        out: b.out.save(&params)?,
    })
}

/// The picture.
#[derive(Config)]
pub struct Plot {
    /// The picture.
    #[selfref("plot.png")]
    pub out: SelfRef,
    /// What it shows.
    #[dref]
    pub ref_anneal: DRef<Anneal>,
}

#[stage]
fn plot(b: &Build<Plot>) -> Result<()> {
    std::fs::write(
        b.out.path(),
        b.ref_anneal.out.path().to_string_lossy().as_bytes(),
    )?;
    Ok(())
}

#[test]
fn the_papers_references() -> Result<()> {
    let params = instantiate(Params::new())?;
    assert_eq!(
        params.to_string(),
        "dref:7c308bad0e7fa364790b71e6ffab924a-params"
    );
    let anneal = instantiate(Anneal::new(params.clone()))?;
    assert_eq!(
        anneal.to_string(),
        "dref:aeeb4bea649e22497b49dfc1ec5ebedf-anneal"
    );
    let plot = instantiate(Plot::new(anneal.clone()))?;
    assert_eq!(
        plot.to_string(),
        "dref:ff1dd5c155ee3faa445572e3246f0566-plot"
    );
    let longer = instantiate(Anneal {
        maxiter: 1000,
        ..Anneal::new(params)
    })?;
    assert_ne!(longer, anneal);
    Ok(())
}

/// Helpers of stages.
mod helpers {
    use pylightnix::prelude::*;

    /// A helper.
    #[track]
    pub(super) fn twice(x: u64) -> u64 {
        half(x) * 4
    }

    /// A helper of that.
    #[track(uses(FOUR))]
    fn half(x: u64) -> u64 {
        x * FOUR / 8
    }

    /// A constant.
    #[track]
    const FOUR: u64 = 4;

    /// A type.
    #[track(uses(half))]
    pub(super) struct Model<T>(pub(super) T);

    /// A type whose methods matter.
    pub(super) struct Methods;

    #[track(uses(half, self::twice))]
    impl Methods {
        /// A method.
        pub(super) fn run(&self) -> u64 {
            half(1)
        }
    }
}

/// A config whose stage has helpers.
#[derive(Config)]
pub struct Helped {}

use helpers::{Methods, twice};
/// An alias.
type IntModel = helpers::Model<u8>;

#[stage(uses(twice, Methods, IntModel, helpers::Model<u8>, helpers::twice))]
fn helped(_: &Build<Helped>) -> Result<()> {
    twice(1);
    Methods.run();
    let _ = IntModel::new;
    Ok(())
}

impl IntModel {
    fn new() -> Self {
        helpers::Model(1)
    }
}

#[test]
fn helpers_in_a_function() {
    #[track]
    fn local() {}
    #[derive(Config)]
    struct Local {}
    #[stage(uses(local))]
    fn a_local_stage(_: &Build<Local>) -> Result<()> {
        local();
        Ok(())
    }
}
