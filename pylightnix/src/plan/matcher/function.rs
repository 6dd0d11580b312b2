//! Type-erased functions of matchers. Without type parameters, the compiler reports a wrong function only once.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use crate::BoxError;

/// A function from `&A` to `R`.
pub(super) struct Function<A: ?Sized, R> {
    call: Arc<Call<A, R>>,
    type_id: TypeId,
    /// The path of the function, for messages.
    name: &'static str,
    /// Whether the function captures nothing, so that its type identifies it.
    is_stateless: bool,
}

type Call<A, R> = dyn Fn(&A) -> Result<R, BoxError> + Send + Sync;

impl<A: ?Sized, R> Function<A, R> {
    pub(super) fn new<F>(f: F) -> Self
    where
        F: Fn(&A) -> Result<R, BoxError> + Send + Sync + 'static,
    {
        Function {
            call: Arc::new(f),
            type_id: TypeId::of::<F>(),
            name: type_name::<F>(),
            is_stateless: size_of::<F>() == 0,
        }
    }

    pub(super) fn call(&self, of: &A) -> Result<R, BoxError> {
        (self.call)(of)
    }

    /// Returns the path of the function, for messages.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns whether both are certainly the same function.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.is_stateless && self.type_id == other.type_id
    }
}

impl<A: ?Sized, R> Clone for Function<A, R> {
    fn clone(&self) -> Self {
        Function {
            call: self.call.clone(),
            ..*self
        }
    }
}

impl<A: ?Sized, R> fmt::Debug for Function<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
