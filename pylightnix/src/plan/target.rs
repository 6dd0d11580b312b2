//! Targets: the derivations that one run realizes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::dref::DRef;
use super::node::AnyDRef;
use crate::config::DRefId;
use crate::lens::{AnyRRef, Cardinality, Config, RRef};

/// The types that can be realized: a [`DRef`], or a tuple, array, slice, `Vec`, `Option` or map of targets. The result has
/// the same shape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be realized",
    label = "not a target",
    note = "a target is a `DRef`, or a tuple, array, slice, `Vec`, `Option` or map of targets; `instantiate(config)?` makes a \
            `DRef` of a config"
)]
pub trait Target {
    /// The type of the result.
    type Output;

    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef));

    #[doc(hidden)]
    fn collect(&self, realized: &Realizations) -> Self::Output;
}

/// The realizations that a run chose for each derivation of a target.
#[doc(hidden)]
#[derive(Default)]
pub struct Realizations(HashMap<DRefId, Arc<[AnyRRef]>>);

impl fmt::Debug for Realizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realizations").finish_non_exhaustive()
    }
}

impl Realizations {
    pub(crate) fn insert(&mut self, dref: &DRefId, chosen: &Arc<[AnyRRef]>) {
        self.0.insert(dref.clone(), chosen.clone());
    }

    fn of(&self, dref: &DRefId) -> &[AnyRRef] {
        match self.0.get(dref) {
            Some(chosen) => chosen,
            None => unreachable!("a successful run chooses for {dref}"),
        }
    }
}

impl<C: Config, Q: Cardinality> Target for DRef<C, Q> {
    type Output = Q::Of<RRef<C>>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        visit(&self.erase());
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.realized(realized.of(self.id()))
    }
}

impl Target for AnyDRef {
    type Output = Vec<AnyRRef>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        visit(self);
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        realized.of(self.id()).to_vec()
    }
}

impl<T: Target + ?Sized> Target for &T {
    type Output = T::Output;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        T::visit(self, visit);
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        T::collect(self, realized)
    }
}

impl<T: Target> Target for Option<T> {
    type Output = Option<T::Output>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.iter().for_each(|target| target.visit(visit));
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.as_ref().map(|target| target.collect(realized))
    }
}

impl<T: Target> Target for [T] {
    type Output = Vec<T::Output>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.iter().for_each(|target| target.visit(visit));
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.iter().map(|target| target.collect(realized)).collect()
    }
}

impl<T: Target> Target for Vec<T> {
    type Output = Vec<T::Output>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.as_slice().visit(visit);
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.as_slice().collect(realized)
    }
}

impl<T: Target, const N: usize> Target for [T; N] {
    type Output = [T::Output; N];

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.as_slice().visit(visit);
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.each_ref().map(|target| target.collect(realized))
    }
}

impl<K: Clone + Ord, T: Target> Target for BTreeMap<K, T> {
    type Output = BTreeMap<K, T::Output>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.values().for_each(|target| target.visit(visit));
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.iter()
            .map(|(key, target)| (key.clone(), target.collect(realized)))
            .collect()
    }
}

impl<K: Clone + Eq + Hash, T: Target, S: BuildHasher> Target for HashMap<K, T, S> {
    type Output = HashMap<K, T::Output>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.values().for_each(|target| target.visit(visit));
    }

    fn collect(&self, realized: &Realizations) -> Self::Output {
        self.iter()
            .map(|(key, target)| (key.clone(), target.collect(realized)))
            .collect()
    }
}

macro_rules! tuple_targets {
    ($(($($part:ident $at:tt),*))*) => {$(
        impl<$($part: Target),*> Target for ($($part,)*) {
            type Output = ($($part::Output,)*);

            fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
                $(self.$at.visit(visit);)*
            }

            fn collect(&self, realized: &Realizations) -> Self::Output {
                ($(self.$at.collect(realized),)*)
            }
        }
    )*};
}

tuple_targets! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}
