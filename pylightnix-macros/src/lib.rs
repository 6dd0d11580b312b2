//! The macros of `pylightnix`: `#[derive(Config)]`, `#[derive(Params)]`, `#[derive(ParamEnum)]`, `#[stage]` and `#[track]`.
//!
//! Use them through that crate, which documents them. Each macro parses its input (`parse`) into a `model`, looks for
//! contradictions in it (`check`) and generates code (`expand`). All of this works on [`proc_macro2`], so that it is tested
//! without a compiler.

#![forbid(unsafe_code)]

mod config;
#[cfg(test)]
mod expansions;
mod faults;
mod fingerprint;
mod grammar;
mod library;
mod named_fields;
mod names;
mod options;
mod params;
mod spans;
mod stage;
mod track;
mod uses;

use proc_macro::TokenStream;

/// Makes a struct with named fields the config of a stage, which identifies its derivations.
///
/// A field is
/// - a promise, `#[selfref("path")] out: SelfRef<F>`: the stage will make an artifact in format `F` at this path in its
///   output; without `F` it is an opaque file or folder;
/// - a dependency, marked `#[dref]`: a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those;
/// - or plain data, `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`. A stage sees the value that the JSON
///   deserializes to. A value whose JSON changes in a round trip, such as a `HashSet`, is an error when the stage is built.
///
/// `#[config(..)]` on a field has these options:
///
/// | option | |
/// |---|---|
/// | `default = expr`, `default` | the value in `new`: the expression, or the `Default` of the type; a dependency can have a default if it is an `Option`, a `Vec` or a `BTreeMap` |
/// | `omit_default` | the JSON omits the field while it has its default, so that a new parameter does not make old results stale |
/// | `unhashed` | the field is not part of the identity (verbosity, a token); it needs a default |
/// | `rename = "key"` | the key in the JSON, instead of the name of the field |
///
/// For a struct `Anneal` the macro generates `Anneal::new(..)`, which takes the fields without a default, in their order;
/// set the other fields by struct update syntax. It also generates `AnnealLens`, which has the fields as they are in a plan,
/// in the running stage and in a result; and `AnnealOutputs`, which the stage returns, with a field for each promise.
///
/// ```
/// use pylightnix::prelude::*;
///
/// #[derive(Config)]
/// struct Params {
///     #[selfref("params.json")]
///     out: SelfRef<Json<Vec<f64>>>,
/// }
///
/// #[derive(Config)]
/// struct Anneal {
///     #[selfref("result.json")]
///     out: SelfRef<Json<f64>>,
///     #[dref]
///     params: DRef<Params>,
///     #[config(default = 500, omit_default)]
///     maxiter: u64,
/// }
/// # #[stage]
/// # fn params(b: &Build<Params>) -> Result<()> { Ok(()) }
///
/// let params = instantiate(Params::new())?;
/// let anneal = Anneal { maxiter: 1000, ..Anneal::new(params) };
/// # Ok::<(), pylightnix::Error>(())
/// ```
///
/// A config may be generic, with the bound `pylightnix::lens::Plain` for types of plain fields, and may depend on configs of
/// its own type.
///
/// # Another name for the library
///
/// Generated code names the library as `::pylightnix`. If `Cargo.toml` renames it or another crate re-exports it, give its
/// path to all three macros: `#[config(crate = path)]` on the struct, `#[stage(crate = path)]` and `#[track(crate = path)]`.
///
/// ```
/// mod lab {
///     pub use pylightnix as nix; // the only module that names the library
/// }
/// use lab::nix::prelude::*;
///
/// #[derive(Config)]
/// #[config(crate = lab::nix)]
/// struct Nothing {}
///
/// #[stage(crate = lab::nix, uses(zero))]
/// fn nothing(_: &Build<Nothing>) -> Result<()> {
///     assert_eq!(zero(), 0);
///     Ok(())
/// }
///
/// #[track(crate = lab::nix)]
/// fn zero() -> u32 {
///     0
/// }
/// ```
#[proc_macro_derive(Config, attributes(selfref, dref, config))]
pub fn derive_config(item: TokenStream) -> TokenStream {
    config::derive(item.into()).into()
}

/// Makes a struct with named fields the parameters of an experiment, which files, profiles, the environment and the command line
/// can set.
///
/// A field is a parameter, `Serialize + DeserializeOwned + 'static`, with the name of the field as its key and the documentation of the
/// field as its help. A parameter without a default has to be given, but for an `Option`, which is `None`.
///
/// `#[param(..)]` on a field has these options:
///
/// | option | |
/// |---|---|
/// | `default = expr`, `default` | the value if nothing gives another: the expression, or the `Default` of the type |
/// | `nested` | the field is a group of parameters, a struct that derives `Params`: `train.rate` is `rate` of the group `train` |
/// | `rename = "key"` | the key, instead of the name of the field |
///
/// ```
/// use pylightnix::experiment::ParamSources;
/// use pylightnix::prelude::*;
///
/// #[derive(Params)]
/// struct Settings {
///     /// How many clusters to look for
///     #[param(default = 3)]
///     clusters: usize,
///     #[param(nested)]
///     train: Train,
/// }
///
/// #[derive(Params)]
/// struct Train {
///     /// The learning rate
///     #[param(default = 0.1)]
///     rate: f64,
///     model: Option<String>,
/// }
///
/// let given = ParamSources::new().set("train.rate", "0.5");
/// let settings: Settings = given.resolve::<Settings>()?.read()?;
/// assert_eq!((settings.clusters, settings.train.rate, settings.train.model), (3, 0.5, None));
/// # Ok::<(), pylightnix::Error>(())
/// ```
///
/// `#[param(crate = path)]` on the struct says where the library is, as for [`Config`](derive@Config#another-name-for-the-library).
#[proc_macro_derive(Params, attributes(param))]
pub fn derive_params(item: TokenStream) -> TokenStream {
    params::derive(item.into()).into()
}

/// Makes the names of an enum's variants known as the values of a parameter, to completion, help and errors. The names are those that
/// `Serialize` writes, so options of `serde` such as `rename_all` hold.
///
/// ```
/// use pylightnix::experiment::ParamEnum;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(ParamEnum, Clone, Copy, Serialize, Deserialize)]
/// #[serde(rename_all = "kebab-case")]
/// enum Model {
///     /// Fits in a second
///     VerySmall,
///     Large,
/// }
///
/// let names: Vec<_> = Model::variants().into_iter().map(|variant| variant.name).collect();
/// assert_eq!(names, ["very-small", "large"]);
/// ```
#[proc_macro_derive(ParamEnum, attributes(param))]
pub fn derive_param_enum(item: TokenStream) -> TokenStream {
    params::derive_enum(item.into()).into()
}

/// Makes a function with the argument `&Build<C>` the stage of the config `C`, which makes its realizations.
///
/// The function itself is unchanged, so you can call and test it. It returns a `Result` of the outputs of `C`, or of `()`;
/// with `()`, the promises are checked after each run. The error type is any that converts into `Box<dyn Error + Send +
/// Sync>`.
///
/// | option | |
/// |---|---|
/// | `name = ".."` | the name of the derivations, instead of the name of the function |
/// | `matcher = expr` | the matcher that chooses among the realizations; the default is `latest()`, or `all()` with `many`. The library's matchers need no import here, and shadow other functions of the same names: write `self::latest()` for your own |
/// | `many` | consumers get many realizations, `DRef<C, Many>` |
/// | `fallible` | a failure is a result: an error that the stage returns is recorded, and consumers get a `Result<RRef<C>, Failure>`, with `DRef<C, Try<One>>` in their configs |
/// | `nouts = n` | a build runs the function `n` times; `b.index()` is the index of the run |
/// | `counts(rustc, crates(ndarray))` | what counts of the environment, as code does: `rustc`, `target`, `profile`, `flags`, `features`, `crates(..)` |
/// | `untracked(log, plot::draw)` | functions, types and modules of which the code does not count, nor what only they name |
/// | `follow = false` | only the function itself counts, and what `uses` names |
/// | `uses("data/*.csv")` | files of the package, by patterns whose content is part of the stage's code |
/// | `uses(helper, Model)` | helpers of other packages whose code is part of the stage's code, each marked [`#[track]`](macro@track) |
/// | `reads = artifacts` | the path of an artifact leads to this artifact alone, so that others of its realization may change without a run of this stage; without it, a path, a format of your own and the environment of a command count as reading all of the realization |
/// | `reads = all` | the stage reads what the library does not see, and always runs when something that it depends on was made again |
/// | `args(Verbosity, Token)` | the types of the run-time arguments, which are not part of the identity: `Realize::arg` gives them, `b.arg::<Verbosity>()` reads them |
/// | `sealed` | each run has a process of its own that cannot read what is not in its context: no other files, and no network |
/// | `network`, `read("/data/x")` | what a sealed stage may reach all the same: the network; files, folders and devices by their absolute paths |
/// | `version = n` | identifies the code of the function instead of its tokens, and of all that it names: only another number makes results stale |
/// | `retries = n` | a failed run is retried up to `n` times, after waits of 1, 2, 4, .. seconds, at most a minute |
/// | `timeout = "2h30m"` | the time limit of a run, in the units `ms`, `s`, `m`, `h`, `d` and `w`. After it the stage has to stop: `b.check()?` fails, and child processes are ended |
/// | `threads = n` | the number of threads that a run uses, 1 by default; `b.threads()` returns it |
/// | `memory = "8GiB"` | the memory that a run needs, in the units `B`, `KiB` to `PiB` and `kB` to `PB` |
/// | `resources(gpu = 1, ..)` | the other resources that a run needs, which `Realize::resource` declares |
/// | `register(Train<A>, ..)` | the configs of a generic stage that other processes of this program can realize |
/// | `crate = path` | the library, if it is not at `::pylightnix`: see [`Config`](derive@Config#another-name-for-the-library) |
///
/// What the function reaches identifies its code: itself, and the functions, types, constants, traits and macros of its package
/// and of the package's path dependencies that it names, and that those name. After a change of that, earlier results are stale
/// and are made again. Spacing, comments, docs, lint levels and `pub` do not count, and neither does where an item is.
///
/// ```
/// use pylightnix::prelude::*;
///
/// #[derive(Config)]
/// struct Count {
///     #[selfref("count.json")]
///     out: SelfRef<Json<u64>>,
///     from: u64,
/// }
///
/// #[stage(matcher = only(), uses(next))]
/// fn count(b: &Build<Count>) -> Result<CountOutputs> {
///     Ok(CountOutputs { out: b.out.save(&next(b.from))? })
/// }
///
/// #[track]
/// fn next(n: u64) -> u64 {
///     n + 1
/// }
/// # assert_eq!(instantiate(Count::new(1))?.id().name().as_str(), "count");
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[proc_macro_attribute]
pub fn stage(options: TokenStream, item: TokenStream) -> TokenStream {
    stage::attribute(options.into(), item.into()).into()
}

/// Offers the code of a helper to stages of other packages: of a function, a constant, a struct, an enum, or an `impl` with
/// methods. In the package of the stage, and in its path dependencies, what a stage names counts without it.
///
/// The stages name it in `uses(..)`; a change to it makes their results stale. Helpers that it uses itself count if it names
/// them: `#[track(uses(other))]`.
///
/// For a function or a constant the macro generates an empty struct of the same name, so that one `use` imports both. `#[track(crate = path)]` says
/// where the library is, if it is not at `::pylightnix`.
///
/// ```
/// use pylightnix::prelude::*;
///
/// #[track]
/// const STEP: f64 = 0.1;
///
/// #[track(uses(STEP))]
/// fn step(x: f64) -> f64 {
///     x + STEP
/// }
///
/// struct Walk(f64);
///
/// #[track(uses(step))]
/// impl Walk {
///     fn on(&mut self) {
///         self.0 = step(self.0);
///     }
/// }
/// # #[derive(Config)]
/// # struct Walked {}
///
/// #[stage(uses(Walk))]
/// fn walked(_: &Build<Walked>) -> Result<()> {
///     Walk(0.0).on();
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn track(options: TokenStream, item: TokenStream) -> TokenStream {
    track::attribute(options.into(), item.into()).into()
}
