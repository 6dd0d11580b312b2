//! Run-time arguments: inputs of a stage beside its config, which are not part of its identity.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use crate::lens::Config;

/// Implemented by configs whose stage takes a run-time argument of type `T`: `#[stage(args(T))]` implements it.
///
/// Use it as a bound of helpers that several stages share:
///
/// ```
/// # use pylightnix::prelude::*;
/// use pylightnix::plan::TakesArg;
///
/// struct Verbose(bool);
///
/// fn say<C: TakesArg<Verbose>>(b: &Build<C>, what: &str) {
///     if b.arg::<Verbose>().0 {
///         eprintln!("{}: {what}", b.dref());
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the stage of `{Self}` does not take the run-time argument `{T}`",
    label = "not declared by the stage",
    note = "declare it, so that a run without it fails before anything runs: `#[stage(args({T}))]`"
)]
pub trait TakesArg<T>: Config {}

/// The types of run-time arguments: all types that threads can share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a run-time argument",
    label = "threads cannot share this",
    note = "stages run on several threads, so an argument is `Send + Sync + 'static`: take `Arc` instead of `Rc`, and `Mutex` \
            or an atomic instead of `RefCell` or `Cell`"
)]
pub trait RunArg: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> RunArg for T {}

/// The type of a run-time argument.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ArgType {
    id: TypeId,
    name: fn() -> &'static str,
}

impl ArgType {
    /// Returns the description of `T`.
    pub fn of<T: RunArg>() -> Self {
        ArgType {
            id: TypeId::of::<T>(),
            name: std::any::type_name::<T>,
        }
    }

    /// Returns the name of the type, for messages.
    pub(crate) fn name(&self) -> &'static str {
        (self.name)()
    }
}

/// The run-time arguments of a run, at most one of each type.
#[derive(Clone, Default)]
pub(crate) struct Args(Arc<HashMap<TypeId, Arg>>);

#[derive(Clone)]
struct Arg {
    name: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl Args {
    /// Adds an argument, which replaces another one of the same type.
    pub(crate) fn insert<T: RunArg>(&mut self, value: T) {
        let ArgType { id, name } = ArgType::of::<T>();
        let (name, value) = (name(), Arc::new(value));
        Arc::make_mut(&mut self.0).insert(id, Arg { name, value });
    }

    pub(crate) fn get<T: RunArg>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.value.downcast_ref()
    }

    pub(crate) fn has(&self, wanted: &ArgType) -> bool {
        self.0.contains_key(&wanted.id)
    }

    /// Returns the names of all types, sorted, for messages.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.values().map(|arg| arg.name).collect();
        names.sort_unstable();
        names
    }
}
