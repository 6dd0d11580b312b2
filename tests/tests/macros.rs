//! The macros: plans of the paper's three stages, and every option of a config.

#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]
#![allow(
    clippy::let_and_return,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "these stages do less than others would"
)]

use pylightnix::lens;
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

fn json<C: Config, Q: lens::Cardinality>(dref: &DRef<C, Q>) -> &str {
    dref.config_json().text()
}

/// A config with every kind of field.
#[derive(Config)]
pub struct Everything<A: Config, const N: usize> {
    /// A folder.
    #[selfref("a/folder")]
    #[config(rename = "a folder")]
    pub folder: SelfRef,
    /// A word that is a keyword.
    pub r#type: String,
    /// A raw promise.
    #[selfref("struct.txt")]
    pub r#struct: SelfRef<Text>,
    /// An option.
    #[config(default)]
    pub limit: Option<f64>,
    /// An enum.
    #[config(default = Mode::Fast { steps: 3 }, omit_default)]
    pub mode: Mode,
    /// Not hashed.
    #[config(default = available(), unhashed)]
    threads: usize,
    /// Renamed.
    #[config(rename = "learning rate")]
    pub lr: f64,
    /// Generic dependencies.
    #[dref]
    pub one: DRef<A>,
    /// Several.
    #[dref]
    #[config(default)]
    pub several: Vec<DRef<Params, Many>>,
    /// Named.
    #[dref]
    #[config(default = std::collections::BTreeMap::new(), rename = "named")]
    pub by_name: std::collections::BTreeMap<String, Option<RefPath<Npy<f64>>>>,
    /// Itself.
    #[dref]
    #[config(default = None)]
    pub before: Option<DRef<Self>>,
    /// An array.
    pub array: Vec<[u8; 2]>,
}

/// A mode.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// Slow.
    Slow,
    /// Fast.
    Fast {
        /// How fast.
        steps: u8,
    },
}

fn available() -> usize {
    4
}

#[stage(many, nouts = 2, version = 3, name = "every-thing", register(Everything<Params, 2>))]
fn everything<A: Config, const N: usize>(
    b: &Build<Everything<A, N>>,
) -> Result<EverythingOutputs, std::io::Error> {
    std::fs::create_dir(b.folder.path())?;
    let EverythingLens { threads, one, .. } = &**b;
    let _: (&usize, &RRef<A>) = (threads, one);
    let before: &Option<Vec<RRef<Everything<A, N>>>> = &None;
    let _ = before;
    Ok(EverythingOutputs {
        folder: b.folder.written().map_err(std::io::Error::other)?,
        r#struct: b.r#struct.save("text").map_err(std::io::Error::other)?,
    })
}

#[test]
fn every_kind_of_field_is_written() -> Result<()> {
    let params = instantiate(Params::new())?;
    let one = Everything::<_, 2>::new("t".to_owned(), 0.5, params.clone(), vec![[1, 2]]);
    let first: DRef<_, Many> = instantiate(one)?;
    assert_eq!(
        json(&first),
        format!(
            r#"{{
    "name": "every-thing",
    "a folder": [
        "__self__",
        "a",
        "folder"
    ],
    "type": "t",
    "struct": [
        "__self__",
        "struct.txt"
    ],
    "limit": null,
    "learning rate": 0.5,
    "one": "{params}",
    "several": [],
    "named": {{}},
    "before": null,
    "array": [
        [
            1,
            2
        ]
    ]
}}"#
        )
    );
    let several = vec![params.clone().latest_n(3)];
    let by_name = [
        ("b".to_owned(), Some(params.out.clone())),
        ("a".to_owned(), None),
    ];
    let second = instantiate(Everything {
        limit: Some(1.0),
        mode: Mode::Slow,
        threads: 1,
        several,
        by_name: by_name.into(),
        before: Some(first.clone().latest()),
        ..Everything::<_, 2>::new("t".to_owned(), 0.5, params.clone(), vec![])
    })?;
    assert_eq!(
        json(&second),
        format!(
            r#"{{
    "name": "every-thing",
    "a folder": [
        "__self__",
        "a",
        "folder"
    ],
    "type": "t",
    "struct": [
        "__self__",
        "struct.txt"
    ],
    "limit": 1.0,
    "mode": "Slow",
    "learning rate": 0.5,
    "one": "{params}",
    "several": [
        "{params}"
    ],
    "named": {{
        "a": null,
        "b": [
            "{params}",
            "params.npy"
        ]
    }},
    "before": "{first}",
    "array": []
}}"#
        )
    );
    let deps: Vec<_> = second
        .config_json()
        .deps()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut expected = [params.to_string(), first.to_string()];
    expected.sort_unstable();
    assert_eq!(deps, expected);
    Ok(())
}

#[test]
fn what_is_not_hashed_or_left_out_does_not_change_the_reference() -> Result<()> {
    let params = instantiate(Params::new())?;
    let new = || Everything::<_, 1>::new(String::new(), 1.0, params.clone(), vec![]);
    let usual = instantiate(new())?;
    let threads = instantiate(Everything {
        threads: 64,
        ..new()
    })?;
    assert_eq!(usual, threads);
    assert_eq!(threads.threads, 64);
    let mode = instantiate(Everything {
        mode: Mode::Fast { steps: 3 },
        ..new()
    })?;
    assert_eq!(usual, mode);
    let mode = instantiate(Everything {
        mode: Mode::Fast { steps: 4 },
        ..new()
    })?;
    assert_ne!(usual, mode);
    assert!(json(&mode).contains(r#""steps": 4"#));
    Ok(())
}

#[test]
fn a_plan_is_looked_at_through_the_lens() -> Result<()> {
    let params = instantiate(Params::new())?;
    let first = instantiate(Everything::<_, 1>::new(
        "t".to_owned(),
        0.5,
        params.clone(),
        vec![],
    ))?;
    assert_eq!(
        (first.lr, first.r#type.as_str(), first.threads),
        (0.5, "t", 4)
    );
    assert_eq!(first.one, params);
    let folder: &RefPath<Opaque, Many> = &first.folder;
    assert_eq!((folder.path(), folder.dref()), ("a/folder", first.id()));
    let anneal = instantiate(Anneal::new(params))?;
    assert_eq!(anneal.ref_params.out.path(), "params.npy");
    assert_eq!(anneal.maxiter, 500);
    Ok(())
}

#[test]
fn promises_say_their_field_path_and_format() {
    let promises = <Everything<Params, 1> as Config>::PROMISES;
    let said: Vec<_> = promises
        .iter()
        .map(|it| (it.field, it.path, it.format))
        .collect();
    let opaque = "Opaque";
    assert_eq!(
        said,
        [
            ("folder", "a/folder", opaque),
            ("struct", "struct.txt", "Text")
        ]
    );
    assert_eq!(Anneal::PROMISES[1].format, "Npy<f64>");
}

#[test]
fn a_stage_says_its_options() {
    type Stage2 = Everything<Params, 2>;
    assert_eq!(Stage2::NAME, "every-thing");
    assert_eq!(Stage2::NOUTS, 2);
    assert_eq!(Stage2::TOKENS, "version 3");
    assert_eq!(
        Stage2::parameters(),
        ["A = macros::Params".to_owned(), "N = 2".to_owned()]
    );
    assert_eq!((Params::NAME, Params::NOUTS), ("params", 1));
    assert_eq!(
        Params::TOKENS,
        "fn params(b: &Build<Params>) -> Result<ParamsOutputs> {\n    Ok(ParamsOutputs {\n        \
         out: b.out.save(&ndarray::array![2., 3.].into_dyn())?\n    })\n}"
    );
}

#[test]
fn stages_are_registered() {
    let registered: Vec<_> = pylightnix::plan::registered()
        .map(|stage| (stage.name(), stage.config(), stage.place().0))
        .collect();
    let expected = |name, config| (name, config, file!());
    assert!(
        registered.contains(&expected("params", "macros::Params")),
        "{registered:?}"
    );
    let everything = "macros::Everything<macros::Params, 2>";
    assert!(
        registered.contains(&expected("every-thing", everything)),
        "{registered:?}"
    );
    assert!(
        registered.iter().any(|stage| stage.0 == "a_local_stage"),
        "{registered:?}"
    );
    let place = pylightnix::plan::registered().find(|stage| stage.name() == "anneal");
    let line = include_str!("macros.rs")
        .lines()
        .position(|line| line.contains("fn anneal("));
    assert_eq!(place.map(|stage| stage.place().1 as usize), line);
}

#[test]
fn helpers_are_a_part_of_the_code() {
    fn tokens(uses: &[fn() -> pylightnix::plan::Tracked]) -> String {
        let uses: Vec<_> = uses.iter().map(|tracked| tracked()).collect();
        format!("{uses:?}")
    }
    let uses = tokens(Helped::USES);
    assert_eq!(Helped::USES.len(), 5);
    assert!(uses.contains("half(x) * 4"), "{uses}");
    assert!(uses.contains("half(1)"), "{uses}");
    assert!(uses.contains("struct Model<T>"), "{uses}");
}

/// A generic config whose parameter is in promises only, and one that is recursive by its own name.
#[derive(Config)]
pub struct Fit<T, M = Mode>
where
    T: serde::Serialize + serde::de::DeserializeOwned + 'static,
    M: lens::Plain,
{
    /// The model.
    #[selfref("model.json")]
    pub model: SelfRef<Json<T>>,
    /// The mode.
    pub mode: M,
    /// Where to start.
    #[dref]
    pub start: Option<DRef<Fit<T, M>>>,
}

#[stage]
fn fit<T, M>(b: &Build<Fit<T, M>>) -> Result<FitOutputs>
where
    T: Default + serde::Serialize + serde::de::DeserializeOwned + 'static,
    M: lens::Plain,
{
    let start = match &b.start {
        Some(start) => start.model.load()?,
        None => T::default(),
    };
    Ok(FitOutputs {
        model: b.model.save(&start)?,
    })
}

#[test]
fn generic_configs() -> Result<()> {
    let first = instantiate(Fit::<Vec<f64>>::new(Mode::Slow, None))?;
    let second = instantiate(Fit::<Vec<f64>>::new(Mode::Slow, Some(first.clone())))?;
    assert_eq!(second.start.as_ref(), Some(&first));
    assert_eq!(second.mode, Mode::Slow);
    // Which model is the code's business, not the config's.
    assert_eq!(
        first.id(),
        instantiate(Fit::<u8>::new(Mode::Slow, None))?.id()
    );
    assert_ne!(Fit::<u8>::parameters(), Fit::<Vec<f64>>::parameters());
    Ok(())
}

/// A config without fields, and without braces.
#[derive(Config)]
pub struct Unit;

#[stage]
fn unit(b: &Build<Unit>) -> Result<UnitOutputs, Box<dyn std::error::Error + Send + Sync>> {
    let _ = b.index();
    Ok(UnitOutputs {})
}

/// Two configs that hold each other.
#[derive(Config)]
pub struct Even {
    /// The other.
    #[dref]
    pub odd: Option<DRef<Odd>>,
}

/// The other.
#[derive(Config)]
pub struct Odd {
    /// The other.
    #[dref]
    pub even: Option<DRef<Even>>,
}

#[stage]
fn even(_: &Build<Even>) -> Result<()> {
    Ok(())
}

#[allow(unused_qualifications)]
#[stage]
fn odd(_: &lens::Build<Odd>) -> Result<()> {
    Ok(())
}

#[test]
fn small_and_mutual_configs() -> Result<()> {
    assert_eq!(
        json(&instantiate(Unit::new())?),
        "{\n    \"name\": \"unit\"\n}"
    );
    let even = instantiate(Even::new(None))?;
    let odd = instantiate(Odd::new(Some(even)))?;
    let even = instantiate(Even::new(Some(odd.clone())))?;
    assert_eq!(even.odd, Some(odd));
    Ok(())
}

/// A module with its own things by the names of std's.
mod hygiene {
    #![allow(dead_code, non_camel_case_types)]

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Vec;
    pub(super) struct String;
    pub(super) struct Box;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct P;
    pub(super) struct Helper;
    pub(super) trait Clone {}
    pub(super) trait Default {}
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) mod std {}
    pub(super) mod core {}
    pub(super) mod pylightnix {}
    macro_rules! format {
        () => {};
    }
    macro_rules! file {
        () => {};
    }
    const _: () = {
        format!();
        file!();
    };

    /// What locals could be called.
    const FROM: u64 = 1;

    #[derive(::pylightnix::Config)]
    pub(super) struct Shadowed {
        #[selfref("out")]
        pub(super) out: ::pylightnix::lens::SelfRef,
        #[config(default = { let out = FROM; let omitted = 1; out + omitted }, omit_default)]
        pub(super) omitted: u64,
        #[config(default)]
        pub(super) fields: u64,
        #[config(default = 3, unhashed)]
        pub(super) unhashed: u64,
        pub(super) from: u64,
        #[dref]
        pub(super) revived: ::std::option::Option<::pylightnix::plan::DRef<Shadowed>>,
    }

    #[::pylightnix::track]
    fn helper() {}

    #[::pylightnix::stage(uses(helper), matcher = { let candidates = ::pylightnix::plan::matcher::latest(); candidates })]
    fn shadowed(
        build: &::pylightnix::lens::Build<Shadowed>,
    ) -> ::std::result::Result<ShadowedOutputs, ::pylightnix::Error> {
        helper();
        ::std::result::Result::Ok(ShadowedOutputs {
            out: build.out.written()?,
        })
    }
}

#[test]
fn names_of_the_user_do_not_matter() -> Result<()> {
    let shadowed = instantiate(hygiene::Shadowed::new(7, None))?;
    let (a, b, c, d) = (
        shadowed.omitted,
        shadowed.fields,
        shadowed.unhashed,
        shadowed.from,
    );
    assert_eq!((a, b, c, d), (2, 0, 3, 7));
    assert!(
        json(&shadowed).ends_with("\"fields\": 0,\n    \"from\": 7,\n    \"revived\": null\n}")
    );
    Ok(())
}

/// A config is where it is derived, also in a function.
#[test]
fn configs_in_a_function() -> Result<()> {
    #[derive(Config)]
    struct Inner {
        #[selfref("out")]
        out: SelfRef<Bytes>,
    }
    #[stage(name = "inner-stage")]
    fn inner(b: &Build<Inner>) -> Result<InnerOutputs> {
        Ok(InnerOutputs {
            out: b.out.save(b"bytes")?,
        })
    }
    assert_eq!(instantiate(Inner::new())?.out.path(), "out");
    Ok(())
}

/// Configs, their stages and their users in three modules.
mod configs {
    use pylightnix::prelude::*;

    /// A config.
    #[derive(Config)]
    pub(crate) struct Apart {
        /// An artifact.
        #[selfref("out.txt")]
        pub(crate) out: SelfRef<Text>,
        #[config(default = 1)]
        hidden: u8,
    }

    impl Apart {
        /// Sets what others cannot.
        pub(crate) fn hidden(self, hidden: u8) -> Self {
            Apart { hidden, ..self }
        }
    }
}

mod stages {
    use super::configs::{Apart, ApartOutputs};
    use pylightnix::prelude::*;

    #[stage]
    fn apart(b: &Build<Apart>) -> Result<ApartOutputs> {
        Ok(ApartOutputs {
            out: b.out.save("apart")?,
        })
    }
}

#[test]
fn config_and_stage_apart() -> Result<()> {
    let apart = instantiate(configs::Apart::new().hidden(2))?;
    assert!(json(&apart).contains("\"hidden\": 2"));
    Ok(())
}

/// A parameter that is in a format only needs no bound of its own.
#[derive(Config)]
pub struct Saved<T> {
    /// What is saved.
    #[selfref("out.json")]
    pub out: SelfRef<Json<T>>,
}
