//! Derivations as typed values, of which plans consist.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::code::Code;
use super::derivation::Derivation;
use super::limits::Limits;
use super::matcher::{self, GivenMatcher, Key, Matcher};
use super::node::{AnyDRef, Node, NodeMatcher, NodeRealizer, Recipe};
use super::refpath::RefPath;
use super::registry;
use super::revive::{Revived, Wanted};
use super::stage::{Stage, StageValue};
use super::stage_info::StageInfo;
use crate::config::{ConfigJson, DRefId, Name, StoredValue, ValueWriter};
use crate::lens::{
    AnyRRef, Build, Cardinality, Chosen, Config, Dependency, Many, One, Phase, Promise, RRef, Try,
};
use crate::{BoxError, Result};

/// The phase of the fields of a [`DRef`].
#[derive(Clone, Copy, Debug)]
pub struct Planned<Q = One>(PhantomData<fn() -> Q>);

impl<Q: Cardinality> Phase for Planned<Q> {
    type Dep<D: Dependency> = D;
    type Artifact<F: 'static, Tag: 'static> = RefPath<F, Q>;
    type Source = AnyDRef;

    fn dep<D: Dependency>(_: &AnyDRef, dep: &D) -> D {
        dep.clone()
    }

    fn artifact<F: 'static, Tag: 'static>(
        from: &AnyDRef,
        promise: &'static Promise,
    ) -> RefPath<F, Q> {
        RefPath::new(from.clone(), promise.path)
    }
}

/// A derivation: a config of a stage, with the matcher that chooses [`One`] or [`Many`] of its realizations, and the
/// realizer that makes new ones.
///
/// A plan is a value: a `DRef` owns its dependencies. It dereferences to the fields of the config; those marked
/// `#[selfref]` are [`RefPath`]s, for the configs of other stages.
///
/// Derivations are compared by their references.
pub struct DRef<C: Config, Q: Cardinality = One> {
    /// A `Node<C>`. The type is erased, so that the compiler need not traverse a chain of configs to prove that the last one
    /// is `Send`.
    any: AnyDRef,
    /// A `C::Lens<Planned<Q>>`, erased as well. It is not in the node, because its `RefPath`s own the node. It is boxed
    /// twice to take the size of one pointer: plans have many of these, and few are used.
    lens: OnceBox<Box<dyn Any + Send + Sync>>,
    kind: PhantomData<fn() -> (C, Q)>,
}

/// Makes a derivation from a config. Its stage is determined by the type of the config. Does no I/O.
///
/// # Errors
/// A field cannot be written as canonical JSON (the error names it), or two stages of one crate have the same name.
pub fn instantiate<C, Q>(config: C) -> Result<DRef<C, Q>>
where
    // Not `DRef<C, C::Card>`: for a config without a stage the compiler would repeat its error for the result type.
    C: Stage<Card = Q>,
    Q: Cardinality,
{
    registry::check()?;
    let info = StageInfo::<C>::get()?;
    let derivation = Derivation::new(&info.name, config)?;
    Ok(DRef::of_node(Node::new(derivation, info.recipe.clone())))
}

/// Makes a derivation like [`instantiate`], with a given name instead of the name of the stage.
pub(crate) fn instantiate_as<C, Q>(name: &Name, config: C) -> Result<DRef<C, Q>>
where
    C: Stage<Card = Q>,
    Q: Cardinality,
{
    registry::check()?;
    let derivation = Derivation::new(name, config)?;
    let recipe = StageInfo::<C>::get()?.recipe.clone();
    Ok(DRef::of_node(Node::new(derivation, recipe)))
}

impl<C: Config, Q: Cardinality> DRef<C, Q> {
    pub(super) fn of_node(node: Node<C>) -> Self {
        DRef::of_any(AnyDRef::new(node))
    }

    /// Restores the type. The erased type must be `Node<C>`.
    fn of_any(any: AnyDRef) -> Self {
        DRef {
            any,
            lens: OnceBox::new(),
            kind: PhantomData,
        }
    }

    fn node(&self) -> &Node<C> {
        typed(self.any.node_of())
    }

    /// Returns the same derivation with a changed recipe.
    fn with_recipe<R: Cardinality>(
        self,
        change: impl FnOnce(Recipe<C>) -> Recipe<C>,
    ) -> DRef<C, R> {
        let node: Arc<Node<C>> = typed(self.any.shared_node_of());
        let recipe = change(node.recipe().clone());
        DRef::of_node(node.with(Arc::new(recipe)))
    }

    /// Returns the reference.
    pub fn id(&self) -> &DRefId {
        self.any.id()
    }

    /// Returns the canonical JSON of the config.
    pub fn config_json(&self) -> &ConfigJson {
        self.any.config_json()
    }

    /// Erases the type of the config, for targets of mixed types.
    pub fn erase(&self) -> AnyDRef {
        self.any.clone()
    }

    /// Returns the same derivation with another matcher, which chooses among the same realizations.
    pub fn with_matcher<M, R>(self, matcher: M) -> DRef<C, R>
    where
        // As in `instantiate`: the compiler reports a wrong matcher only once.
        M: Matcher<C, Card = R>,
        R: Cardinality,
    {
        self.with_recipe(|recipe| Recipe {
            matcher: NodeMatcher::Given(Arc::new(GivenMatcher(matcher))),
            takes: R::TAKES,
            ..recipe
        })
    }

    /// Returns the same derivation with a note, which is shown to people and is not part of the config.
    pub(crate) fn with_note(self, note: String) -> Self {
        self.with_recipe(|recipe| Recipe {
            note: Some(note.into()),
            ..recipe
        })
    }

    /// Returns the same derivation with another realizer, which returns what a stage function may return. `label` identifies
    /// its code: results that were made under another label, or by the stage function, are stale.
    #[track_caller]
    pub fn with_realizer<T, E, F>(self, label: &str, realizer: F) -> DRef<C, Q>
    where
        T: StageValue<C>,
        E: Into<BoxError>,
        F: Fn(&Build<C>) -> Result<T, E> + Send + Sync + 'static,
    {
        let place = Location::caller();
        self.with_recipe(|recipe| Recipe {
            realizer: NodeRealizer::Given {
                run: Arc::new(move |build| realizer(build).map(drop).map_err(Into::into)),
                code: Arc::new(Code::labelled(label)),
                nouts: recipe.realizer.nouts(),
                place,
            },
            ..recipe
        })
    }

    /// Returns the same derivation with other limits, for stages whose needs depend on the config. Replaces all limits of
    /// the stage.
    pub fn with_limits(self, limits: Limits) -> DRef<C, Q> {
        self.with_recipe(|recipe| Recipe {
            limits: Arc::new(limits),
            ..recipe
        })
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`only()`](matcher::only)`)`.
    pub fn only(self) -> DRef<C, One> {
        self.with_matcher(matcher::only())
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`latest()`](matcher::latest)`)`.
    pub fn latest(self) -> DRef<C, One> {
        self.with_matcher(matcher::latest())
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`lowest(key)`](matcher::lowest)`)`.
    pub fn lowest<K: Key + 'static, F>(self, key: F) -> DRef<C, One>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::lowest(key))
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`highest(key)`](matcher::highest)`)`.
    pub fn highest<K: Key + 'static, F>(self, key: F) -> DRef<C, One>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::highest(key))
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`latest_n(n)`](matcher::latest_n)`)`.
    pub fn latest_n(self, n: usize) -> DRef<C, Many> {
        self.with_matcher(matcher::latest_n(n))
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`lowest_n(n, key)`](matcher::lowest_n)`)`.
    pub fn lowest_n<K: Key + 'static, F>(self, n: usize, key: F) -> DRef<C, Many>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::lowest_n(n, key))
    }

    /// Calls [`with_matcher`](Self::with_matcher)`(`[`highest_n(n, key)`](matcher::highest_n)`)`.
    pub fn highest_n<K: Key + 'static, F>(self, n: usize, key: F) -> DRef<C, Many>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::highest_n(n, key))
    }

    pub(super) fn realized(&self, chosen: &[AnyRRef]) -> Q::Of<RRef<C>> {
        match Q::gather(chosen, success) {
            Some(realized) => realized,
            None => unreachable!("the cardinality was checked when {} was chosen", self.id()),
        }
    }
}

/// Restores the type of a realization that a plan chose for a `DRef<C>`.
fn success<C: Config>(rref: &AnyRRef) -> RRef<C> {
    match rref.success_of::<C>() {
        Some(rref) => rref,
        None => unreachable!("a plan holds one type of config for each reference"),
    }
}

/// Unwraps the typed node of a `DRef<C>`, which always holds a `Node<C>`.
fn typed<T>(node: Option<T>) -> T {
    match node {
        Some(node) => node,
        None => unreachable!("a `DRef<C>` holds a `Node<C>`"),
    }
}

impl<C: Config> DRef<C> {
    /// Returns the same derivation with the failure of its stage as a value: consumers get a `Result<RRef<C>, Failure>`. A
    /// stage with `#[stage(fallible)]` does this by default; call this for other stages, or after `with_matcher`.
    ///
    /// The matcher chooses among the successes. If it asks for a build, and the newest build with this context and today's
    /// code failed, the recorded failure is chosen instead.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Fit { #[selfref("loss.json")] pub loss: SelfRef<Json<f64>>, rate: f64 }
    /// #[stage]
    /// fn fit(b: &Build<Fit>) -> Result<FitOutputs> {
    ///     if b.rate > 1. {
    ///         return Err("it diverged".into());
    ///     }
    ///     Ok(FitOutputs { loss: b.loss.save(&b.rate)? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let fit = store.realize(&instantiate(Fit::new(2.))?.or_failure())?;
    /// assert_eq!(fit.unwrap_err().text(), "it diverged");
    /// # Ok(()) }
    /// ```
    pub fn or_failure(self) -> DRef<C, Try<One>> {
        self.with_recipe(|recipe| Recipe {
            takes: Try::<One>::TAKES,
            ..recipe
        })
    }
}

impl<C: Config, Q: Cardinality> Dependency for DRef<C, Q> {
    type Realized = Q::Of<RRef<C>>;

    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        visit(&self.any);
    }

    fn write(&self, out: ValueWriter<'_>) {
        out.dref(self.id());
    }

    fn resolve(&self, chosen: &Chosen) -> Self::Realized {
        chosen.gather::<Q, _>(self.id(), success)
    }

    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()> {
        wanted.typed::<C, Q>(value.dref()?);
        Ok(())
    }

    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self> {
        let any = revived.of::<C, Q>(&value.dref()?, value)?;
        Ok(DRef::of_any(any.clone()))
    }
}

impl<C: Config, Q: Cardinality> Deref for DRef<C, Q> {
    type Target = C::Lens<Planned<Q>>;

    fn deref(&self) -> &Self::Target {
        let lens = self.lens.get_or_init(|| {
            Box::new(Box::new(
                self.node().planned().lens::<Planned<Q>>(&self.any),
            ))
        });
        match lens.downcast_ref() {
            Some(lens) => lens,
            None => unreachable!("only this function sets the lens"),
        }
    }
}

impl<C: Config, Q: Cardinality> Clone for DRef<C, Q> {
    fn clone(&self) -> Self {
        DRef::of_any(self.any.clone())
    }
}

impl<C: Config, Q: Cardinality> fmt::Display for DRef<C, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl<C: Config, Q: Cardinality> fmt::Debug for DRef<C, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl<C: Config, Q: Cardinality> PartialEq for DRef<C, Q> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<C: Config, Q: Cardinality> Eq for DRef<C, Q> {}

impl<C: Config, Q: Cardinality> PartialOrd for DRef<C, Q> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C: Config, Q: Cardinality> Ord for DRef<C, Q> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(other.id())
    }
}

impl<C: Config, Q: Cardinality> Hash for DRef<C, Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Hash::hash(self.id(), state);
    }
}

impl<C: Config, Q: Cardinality> AsRef<DRefId> for DRef<C, Q> {
    fn as_ref(&self) -> &DRefId {
        self.id()
    }
}
