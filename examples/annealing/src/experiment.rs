//! The experiment: its configs and their stages.

use ndarray::{Ix1, Ix2, array};
use pylightnix::prelude::*;

use crate::minimise::{fresh_seed, minimise};
use crate::picture::draw;

// ANCHOR: params
/// The coefficients of the function to minimise.
#[derive(Config)]
pub struct Params {
    /// Thirteen numbers.
    #[selfref("params.npy")]
    pub out: SelfRef<Npy<f64, Ix1>>,
}

#[stage(matcher = only())]
fn params(b: &Build<Params>) -> Result<ParamsOutputs> {
    let params = array![2., 3., 7., 8., 9., 10., 44., -1., 2., 26., 1., -2., 0.5];
    Ok(ParamsOutputs {
        out: b.out.save(&params)?,
    })
}
// ANCHOR_END: params

// ANCHOR: anneal
/// A simulated annealing: each run finds another minimum.
#[derive(Config)]
pub struct Anneal {
    /// The trace of points, one row for each move.
    #[selfref("tracex.npy")]
    pub trace_xs: SelfRef<Npy<f64, Ix2>>,
    /// The energy at each point of the trace; the last one is the lowest.
    #[selfref("tracef.npy")]
    pub trace_fs: SelfRef<Npy<f64, Ix1>>,
    /// The best point.
    #[selfref("result.npy")]
    pub out: SelfRef<Npy<f64, Ix1>>,
    /// The coefficients.
    #[dref]
    pub ref_params: DRef<Params>,
    /// The number of iterations.
    #[config(default = 500, omit_default)]
    pub maxiter: u64,
}

#[stage]
fn anneal(b: &Build<Anneal>) -> Result<AnnealOutputs> {
    let params = b.ref_params.out.load()?;
    let run = minimise(&params.to_vec(), b.maxiter, fresh_seed()?)?;
    Ok(AnnealOutputs {
        trace_xs: b.trace_xs.save(&run.xs)?,
        trace_fs: b.trace_fs.save(&run.fs)?,
        out: b.out.save(&run.best)?,
    })
}
// ANCHOR_END: anneal

// ANCHOR: plot
/// A picture of an annealing run.
#[derive(Config)]
pub struct Plot {
    /// The picture.
    #[selfref("plot.png")]
    pub out: SelfRef,
    /// The run.
    #[dref]
    pub ref_anneal: DRef<Anneal>,
}

#[stage]
fn plot(b: &Build<Plot>) -> Result<PlotOutputs> {
    let run = &b.ref_anneal;
    let params = run.ref_params.out.load()?;
    let (xs, fs) = (run.trace_xs.load()?, run.trace_fs.load()?);
    draw(b.out.path(), &params.to_vec(), xs.view(), fs.view())?;
    Ok(PlotOutputs {
        out: b.out.written()?,
    })
}
// ANCHOR_END: plot

// ANCHOR: nested
/// The annealing with the paper's parameters except for `maxiter`.
pub fn annealing(maxiter: u64) -> Result<DRef<Anneal>> {
    let params = instantiate(Params::new())?;
    Ok(instantiate(Anneal {
        maxiter,
        ..Anneal::new(params)
    })?)
}

/// The whole experiment, for the run that the annealing's matcher chooses.
pub fn experiment(anneal: DRef<Anneal>) -> Result<DRef<Plot>> {
    Ok(instantiate(Plot::new(anneal))?)
}
// ANCHOR_END: nested

// ANCHOR: energy
/// The criterion by which runs are compared: the final energy.
pub fn energy(run: &RRef<Anneal>) -> Result<f64> {
    Ok(run
        .trace_fs
        .load()?
        .last()
        .copied()
        .unwrap_or(f64::INFINITY))
}
// ANCHOR_END: energy
