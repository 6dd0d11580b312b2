//! Derivations, as plans are made of them.

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
use super::facts::Facts;
use super::limits::Limits;
use super::matcher::{self, Given, Key, Matcher};
use super::node::{AnyDRef, Node, NodeMatcher, NodeRealizer, Way};
use super::refpath::RefPath;
use super::registry;
use super::revive::{Revived, Wanted};
use super::stage::{Stage, StageValue};
use crate::config::{ConfigJson, DRefId, Name, StoredValue, ValueWriter};
use crate::lens::{
    AnyRRef, Build, Cardinality, Chosen, Config, Dependency, Many, One, Phase, Promise, RRef, Try,
};
use crate::{BoxError, Result};

/// The phase of fields reached from a [`DRef`].
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

/// A derivation: a stage's config, with the matcher that chooses among its realizations ([`One`] or [`Many`] of them) and
/// the realizer that makes new ones.
///
/// A plan is a value: a `DRef` owns what it depends on. It dereferences to the config's fields; those marked
/// `#[selfref]` are [`RefPath`]s, for the configs of other stages.
///
/// They are equal, and sort, as their references do.
pub struct DRef<C: Config, Q: Cardinality = One> {
    /// Its `Node<C>`. The type is forgotten, so that what a config's fields own does not count when the compiler looks
    /// whether the config is `Send`: through a chain of configs it would look too deep.
    any: AnyDRef,
    /// A `C::Lens<Planned<Q>>`, its type forgotten as well. Not in the node: its `RefPath`s own the node.
    /// Twice boxed, so that it takes no more than a pointer: plans have many of these, and few are looked into.
    lens: OnceBox<Box<dyn Any + Send + Sync>>,
    kind: PhantomData<fn() -> (C, Q)>,
}

/// Makes a config a derivation: the first step of everything.
///
/// It does no I/O. The stage of the config is found by its type.
///
/// # Errors
/// A config that cannot be canonical JSON; the error names the field. Two stages of one name in this program.
pub fn instantiate<C, Q>(config: C) -> Result<DRef<C, Q>>
where
    // Not `DRef<C, C::Card>`: a config without a stage would be told once more, for the type of the whole call.
    C: Stage<Card = Q>,
    Q: Cardinality,
{
    registry::check()?;
    let facts = Facts::<C>::get()?;
    let derivation = Derivation::new(&facts.name, config)?;
    Ok(DRef::of_node(Node::new(derivation, facts.way.clone())))
}

/// As [`instantiate`], with another name for the derivation than the stage's.
pub(crate) fn instantiate_as<C, Q>(name: &Name, config: C) -> Result<DRef<C, Q>>
where
    C: Stage<Card = Q>,
    Q: Cardinality,
{
    registry::check()?;
    let derivation = Derivation::new(name, config)?;
    let way = Facts::<C>::get()?.way.clone();
    Ok(DRef::of_node(Node::new(derivation, way)))
}

impl<C: Config, Q: Cardinality> DRef<C, Q> {
    pub(super) fn of_node(node: Node<C>) -> Self {
        DRef::of_any(AnyDRef::new(node))
    }

    /// With a node that holds a `C`.
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

    /// The same derivation, chosen or made in another way.
    fn changed<R: Cardinality>(self, change: impl FnOnce(Way<C>) -> Way<C>) -> DRef<C, R> {
        let node: Arc<Node<C>> = typed(self.any.shared_node_of());
        let way = change(node.way().clone());
        DRef::of_node(node.with(way))
    }

    /// Its reference.
    pub fn id(&self) -> &DRefId {
        self.any.id()
    }

    /// Its config as it is written in a store.
    pub fn config_json(&self) -> &ConfigJson {
        self.any.config_json()
    }

    /// Forgets the type, for targets of mixed types.
    pub fn erase(&self) -> AnyDRef {
        self.any.clone()
    }

    /// The same derivation with another matcher: another choice among the same realizations.
    pub fn with_matcher<M, R>(self, matcher: M) -> DRef<C, R>
    where
        // As in `instantiate`: what is no matcher is told once.
        M: Matcher<C, Card = R>,
        R: Cardinality,
    {
        self.changed(|way| Way {
            matcher: NodeMatcher::Given(Arc::new(Given(matcher))),
            takes: R::TAKES,
            ..way
        })
    }

    /// The same with something that people know it by, and that is not in its config.
    pub(crate) fn noted(self, note: String) -> Self {
        self.changed(|way| Way {
            note: Some(note.into()),
            ..way
        })
    }

    /// The same derivation with another realizer, which returns what a stage may return. `label` is the identity of its
    /// code: results that were made under another label, or by the stage's own function, are stale.
    #[track_caller]
    pub fn with_realizer<T, E, F>(self, label: &str, realizer: F) -> DRef<C, Q>
    where
        T: StageValue<C>,
        E: Into<BoxError>,
        F: Fn(&Build<C>) -> Result<T, E> + Send + Sync + 'static,
    {
        let place = Location::caller();
        self.changed(|way| Way {
            realizer: NodeRealizer::Given {
                run: Arc::new(move |build| realizer(build).map(drop).map_err(Into::into)),
                code: Arc::new(Code::labelled(label)),
                nouts: way.realizer.nouts(),
                place,
            },
            ..way
        })
    }

    /// The same derivation with other needs: when what a run takes depends on its config. All of them are replaced.
    pub fn with_limits(self, limits: Limits) -> DRef<C, Q> {
        self.changed(|way| Way {
            limits: Arc::new(limits),
            ..way
        })
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`only()`](matcher::only)`)`.
    pub fn only(self) -> DRef<C, One> {
        self.with_matcher(matcher::only())
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`latest()`](matcher::latest)`)`.
    pub fn latest(self) -> DRef<C, One> {
        self.with_matcher(matcher::latest())
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`lowest(key)`](matcher::lowest)`)`.
    pub fn lowest<K: Key + 'static, F>(self, key: F) -> DRef<C, One>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::lowest(key))
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`highest(key)`](matcher::highest)`)`.
    pub fn highest<K: Key + 'static, F>(self, key: F) -> DRef<C, One>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::highest(key))
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`latest_n(n)`](matcher::latest_n)`)`.
    pub fn latest_n(self, n: usize) -> DRef<C, Many> {
        self.with_matcher(matcher::latest_n(n))
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`lowest_n(n, key)`](matcher::lowest_n)`)`.
    pub fn lowest_n<K: Key + 'static, F>(self, n: usize, key: F) -> DRef<C, Many>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::lowest_n(n, key))
    }

    /// [`with_matcher`](Self::with_matcher)`(`[`highest_n(n, key)`](matcher::highest_n)`)`.
    pub fn highest_n<K: Key + 'static, F>(self, n: usize, key: F) -> DRef<C, Many>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
    {
        self.with_matcher(matcher::highest_n(n, key))
    }

    pub(super) fn realized(&self, chosen: &[AnyRRef]) -> Q::Of<RRef<C>> {
        let typed = |rref: &AnyRRef| match rref.downcast::<C>() {
            Some(rref) => rref,
            None => unreachable!("a plan holds one type of config for each reference"),
        };
        match Q::gather(chosen, typed) {
            Some(realized) => realized,
            None => unreachable!("the cardinality was checked when {} was chosen", self.id()),
        }
    }
}

/// A node of a `DRef`, which is made with one of its config's type.
fn typed<T>(node: Option<T>) -> T {
    match node {
        Some(node) => node,
        None => unreachable!("a `DRef` is made with a node of its config's type"),
    }
}

impl<C: Config> DRef<C> {
    /// The same, with the failure of its stage as a value: consumers see a `Result<RRef<C>, Failure>`. A stage with
    /// `#[stage(fallible)]` has that from the start; this is for another one, or after another matcher was chosen.
    ///
    /// The matcher chooses among the successes. When it would have one built, and the newest try with this context and
    /// today's code failed, that failure is taken.
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
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let fit = store.realize(&instantiate(Fit::new(2.))?.or_failure())?;
    /// assert_eq!(fit.unwrap_err().text(), "it diverged");
    /// # Ok(()) }
    /// ```
    pub fn or_failure(self) -> DRef<C, Try<One>> {
        self.changed(|way| Way {
            takes: Try::<One>::TAKES,
            ..way
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
        self.realized(chosen.of(self.id()))
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
            None => unreachable!("only this function makes it"),
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
