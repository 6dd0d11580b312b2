//! The macros of `pylightnix`: `#[derive(Config)]`, `#[stage]` and `#[track]`.
//!
//! Use them through that crate, which documents them. Each macro reads its input (`parse`) into a `model`, looks for
//! contradictions in it (`check`) and writes code (`expand`). All of it works on [`proc_macro2`], so that it is tested
//! without a compiler.

#![forbid(unsafe_code)]

mod config;
#[cfg(test)]
mod expansions;
mod faults;
mod fingerprint;
mod grammar;
mod names;
mod options;
mod spans;
mod stage;
mod track;
mod uses;

use proc_macro::TokenStream;

/// Makes a struct with named fields the config of a stage: what identifies its derivations.
///
/// A field is
/// - a promise, `#[selfref("path")] out: SelfRef<F>`: the stage will make an artifact, in format `F`, at this path below
///   its output; without `F` it is an opaque file or folder;
/// - a dependency, marked `#[dref]`: a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those;
/// - else plain data, `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`. A stage sees what its JSON gives back.
///   What is written in another way once it was read back, as a `HashSet` is, fails when its stage is built.
///
/// `#[config(..)]` on a field takes
///
/// | option | |
/// |---|---|
/// | `default = expr`, `default` | the value in `new`: that of the expression, or of the type's `Default`; a dependency can have one if it is an `Option`, a `Vec` or a `BTreeMap` |
/// | `omit_default` | left out of the JSON while it has its default, so that adding a parameter keeps the old results |
/// | `unhashed` | no part of the identity (threads, verbosity, a token); it needs a default |
/// | `rename = "key"` | its key in the JSON, else the field's name |
///
/// For a struct `Anneal` it makes `Anneal::new(..)`, which takes the fields that have no default, in their order; the
/// rest is said by struct update syntax. It makes `AnnealLens`, the fields as they are in a plan, in the running stage
/// and in a result; and `AnnealOutputs`, which the stage returns, with a field for each promise.
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
/// A config may be generic, with plain parameters bound by `pylightnix::lens::Plain`, and may hold others of its type.
#[proc_macro_derive(Config, attributes(selfref, dref, config))]
pub fn derive_config(item: TokenStream) -> TokenStream {
    config::derive(item.into()).into()
}

/// Makes a function of `&Build<C>` the stage of the config `C`: what makes its realizations.
///
/// The function stays as it is, callable and testable. It returns a `Result` of the outputs of `C`, or of `()`; then the
/// promises are checked after each run. The error is any that `Box<dyn Error + Send + Sync>` can be made from.
///
/// | option | |
/// |---|---|
/// | `name = ".."` | the name of the derivations, else the function's |
/// | `matcher = expr` | what chooses among the realizations; else `latest()`, or `all()` with `many`. The names of the library's matchers are known here without an import, and go before others of these names: one's own is `self::latest()` |
/// | `many` | consumers get many realizations, `DRef<C, Many>` |
/// | `fallible` | its failure is a result: what it returns as an error is recorded, and consumers get a `Result<RRef<C>, Failure>`, `DRef<C, Try<One>>` in their configs |
/// | `nouts = n` | a build runs the function `n` times; `b.index()` says which |
/// | `uses(helper, Model)` | helpers whose code is a part of the stage's, each marked [`#[track]`](macro@track) |
/// | `args(Verbosity, Token)` | the types of the run-time arguments that it takes, which are no part of the identity: `Realize::arg` gives them, `b.arg::<Verbosity>()` reads them |
/// | `version = n` | stands for the function's code: a change to the function alone makes no result stale |
/// | `retries = n` | a run that fails is made again, up to `n` times, after waits of 1, 2, 4, .. seconds, at most a minute |
/// | `timeout = "2h30m"` | how long a run may take; the units are `ms`, `s`, `m`, `h`, `d` and `w`. Then the stage is told to stop: `b.check()?` fails, and child processes end |
/// | `threads = n` | how many threads it keeps busy, else 1; `b.threads()` tells it |
/// | `memory = "8GiB"` | how much memory it needs; the units are `B`, `KiB` to `PiB` and `kB` to `PB` |
/// | `resources(gpu = 1, ..)` | what else it needs, of what `Realize::resource` says that there is |
/// | `register(Train<A>, ..)` | the configs of a generic stage that other processes of this program can realize too |
///
/// The tokens of the function are the identity of its code: with another code, what was realized is stale, and is made
/// again. Spacing, comments, docs and lint levels do not count.
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

/// Makes a helper a part of the code of the stages that use it: a function, a constant, a struct, an enum, or an `impl`
/// with methods.
///
/// The stages name it in `uses(..)`; a change to it makes what they realized stale. What the helper uses itself counts
/// when it names that: `#[track(uses(other))]`.
///
/// A function or a constant gets an empty struct of its name, so that one `use` imports both.
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
