//! The nodes of a plan.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use super::args::{ArgType, Args};
use super::code::Code;
use super::derivation::Derivation;
use super::limits::Limits;
use super::matcher::{AnyMatcher, Choice};
use super::stage::Stage;
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::lens::{
    AnyRRef, Build, BuildLog, Cardinality, Chained, Chosen, Config, HasConfig, Link, Omitted,
    Progress, Promise, RRef, Site, Takes,
};
use crate::store::Realization;
use crate::{BoxError, Result};

/// A derivation with what chooses among its realizations and what makes new ones.
pub(crate) struct Node<C: Config> {
    base: Base<C>,
    way: Arc<Way<C>>,
}

/// Where the derivation of a node is.
enum Base<C: Config> {
    /// Here, so that a plan of many stages takes one block of memory for each.
    Here(Derivation<C>),
    /// In another node, which is chosen or made in another way.
    There(Arc<Node<C>>),
}

/// What chooses among the realizations of a derivation and what makes new ones: one for all of a stage, but for those that
/// are given their own.
pub(super) struct Way<C: Config> {
    pub(super) matcher: NodeMatcher<C>,
    pub(super) realizer: NodeRealizer<C>,
    pub(super) limits: Arc<Limits>,
    /// What consumers see.
    pub(super) takes: Takes,
    /// The run-time arguments that the stage takes.
    pub(super) args: fn() -> Vec<ArgType>,
    /// What people know it by, if that is not in its config.
    pub(super) note: Option<Arc<str>>,
}

/// What chooses: the stage's own matcher, or one that was given.
pub(crate) enum NodeMatcher<C: Config> {
    Own {
        select: SelectFn<C>,
        written: &'static str,
        takes_the_only: bool,
    },
    Given(Arc<dyn AnyMatcher<C>>),
    /// Of a derivation that was read from a store.
    Detached,
}

type SelectFn<C> = fn(&[RRef<C>]) -> Result<Choice<C>, BoxError>;

/// What makes realizations: the stage's own function, or one that was given.
pub(crate) enum NodeRealizer<C: Config> {
    Own {
        run: RunFn<C>,
        code: Arc<Code>,
        nouts: usize,
    },
    Given {
        run: Arc<GivenRun<C>>,
        code: Arc<Code>,
        nouts: usize,
        place: &'static Location<'static>,
    },
    /// Of a derivation that was read from a store.
    Detached,
}

type RunFn<C> = fn(&Build<C>) -> Result<(), BoxError>;
pub(super) type GivenRun<C> = dyn Fn(&Build<C>) -> Result<(), BoxError> + Send + Sync;

impl<C: Config> HasConfig<C> for Node<C> {
    fn config(&self) -> &C {
        self.derivation().as_written()
    }
}

impl<C: Stage> Way<C> {
    /// That of the stage.
    pub(super) fn own() -> Self {
        Way {
            matcher: NodeMatcher::Own {
                select: C::select,
                written: C::MATCHER,
                takes_the_only: C::TAKES_THE_ONLY,
            },
            realizer: NodeRealizer::Own {
                run: C::realize,
                code: Arc::new(Code::of_stage::<C>()),
                nouts: C::NOUTS,
            },
            limits: Arc::new(C::limits()),
            takes: C::Card::TAKES,
            args: C::args,
            note: None,
        }
    }
}

impl<C: Config> Clone for Way<C> {
    fn clone(&self) -> Self {
        Way {
            matcher: self.matcher.clone(),
            realizer: self.realizer.clone(),
            limits: self.limits.clone(),
            takes: self.takes,
            args: self.args,
            note: self.note.clone(),
        }
    }
}

impl<C: Config> Node<C> {
    pub(super) fn new(derivation: Derivation<C>, way: Arc<Way<C>>) -> Self {
        let base = Base::Here(derivation);
        Node { base, way }
    }

    pub(crate) fn detached<Q: Cardinality>(derivation: Derivation<C>) -> Self {
        let way = Way {
            matcher: NodeMatcher::Detached,
            realizer: NodeRealizer::Detached,
            limits: Arc::default(),
            takes: Q::TAKES,
            args: Vec::new,
            note: None,
        };
        Node::new(derivation, Arc::new(way))
    }

    /// The same derivation, chosen or made in another way.
    pub(super) fn with(self: Arc<Self>, way: Way<C>) -> Self {
        let node = match &self.base {
            Base::Here(_) => self,
            Base::There(node) => node.clone(),
        };
        Node {
            base: Base::There(node),
            way: Arc::new(way),
        }
    }

    /// The config as the plan has it.
    pub(super) fn planned(&self) -> &C {
        self.derivation().planned()
    }

    fn derivation(&self) -> &Derivation<C> {
        match &self.base {
            Base::Here(derivation) => derivation,
            Base::There(node) => node.derivation(),
        }
    }

    pub(super) fn way(&self) -> &Way<C> {
        &self.way
    }

    /// What the realizer is given.
    pub(crate) fn build(&self, run: Run<'_>) -> Result<Build<C>> {
        let config = self.config();
        let mut omitted = config.unhashed()?;
        omitted.extend(self.omitted().clone());
        Ok(Build::new(self.json(), config, omitted, run))
    }
}

impl<C: Config> Clone for NodeMatcher<C> {
    fn clone(&self) -> Self {
        match self {
            NodeMatcher::Own {
                select,
                written,
                takes_the_only,
            } => NodeMatcher::Own {
                select: *select,
                written,
                takes_the_only: *takes_the_only,
            },
            NodeMatcher::Given(matcher) => NodeMatcher::Given(matcher.clone()),
            NodeMatcher::Detached => NodeMatcher::Detached,
        }
    }
}

impl<C: Config> Clone for NodeRealizer<C> {
    fn clone(&self) -> Self {
        match self {
            NodeRealizer::Own { run, code, nouts } => NodeRealizer::Own {
                run: *run,
                code: code.clone(),
                nouts: *nouts,
            },
            NodeRealizer::Given {
                run,
                code,
                nouts,
                place,
            } => NodeRealizer::Given {
                run: run.clone(),
                code: code.clone(),
                nouts: *nouts,
                place,
            },
            NodeRealizer::Detached => NodeRealizer::Detached,
        }
    }
}

impl<C: Config> NodeRealizer<C> {
    pub(super) fn nouts(&self) -> usize {
        match self {
            NodeRealizer::Own { nouts, .. } | NodeRealizer::Given { nouts, .. } => *nouts,
            NodeRealizer::Detached => 1,
        }
    }
}

/// A node whose config's type is forgotten: what a run works with.
pub(crate) trait AnyNode: Any + Send + Sync {
    fn json(&self) -> &ConfigJson;
    /// The dependencies that its config owns.
    fn visit_deps(&self, visit: &mut dyn FnMut(&AnyDRef));
    fn omitted(&self) -> &Omitted;
    /// Whether the types of its config alone tell that its reference says what it holds.
    fn is_exact(&self) -> bool;
    /// Fails if its config, once it is read back from its JSON, is another.
    fn check_config(&self) -> Result<()>;
    /// Tells apart in which ways derivations are chosen and made, without looking into them.
    fn way_address(&self) -> usize;
    /// The code's identity; none for a derivation that was read from a store.
    fn code(&self) -> Option<&Arc<Code>>;
    fn nouts(&self) -> usize;
    fn limits(&self) -> &Limits;
    fn promises(&self) -> &'static [Promise];
    /// The run-time arguments that a run needs.
    fn args(&self) -> Vec<ArgType>;
    /// What the consumers of this node see.
    fn takes(&self) -> Takes;
    /// The matcher, for people.
    fn matcher(&self) -> String;
    /// What people know it by, if that is not in its config.
    fn note(&self) -> Option<&str>;
    /// The realizations that the matcher insists on.
    fn needs(&self) -> &[RRefId];
    /// Whether the matcher takes a candidate that is the only one, whatever that is.
    fn takes_the_only(&self) -> bool;
    /// See [`AnyDRef::select`].
    fn select(
        self: Arc<Self>,
        candidates: Vec<Realization>,
        chosen: &Chosen,
    ) -> Result<Selection, BoxError>;
    /// See [`AnyDRef::realization`].
    fn typed(
        self: Arc<Self>,
        realization: Realization,
        chosen: &Chosen,
        failure: Option<Arc<str>>,
    ) -> AnyRRef;
    /// Runs the realizer once.
    fn run(&self, run: Run<'_>) -> Result<(), BoxError>;
    /// The type of the config, for people.
    fn type_name(&self) -> &'static str;
    /// Why the two cannot stand for one derivation in one plan.
    fn conflict(&self, other: &dyn AnyNode) -> Option<String>;
}

/// What one run of a realizer is given.
pub(crate) struct Run<'a> {
    pub(crate) chosen: &'a Chosen,
    pub(crate) out: &'a Path,
    /// The store's folder for what can be made again.
    pub(crate) cache: &'a Path,
    pub(crate) progress: Progress,
    pub(crate) log: BuildLog,
    pub(crate) index: usize,
    pub(crate) site: Site,
    pub(crate) args: &'a Args,
}

/// What a matcher said.
pub(crate) enum Selection {
    Take(Arc<[AnyRRef]>),
    Build(usize),
    Never(String),
}

impl<C: Config> AnyNode for Node<C> {
    fn json(&self) -> &ConfigJson {
        self.derivation().json()
    }

    fn visit_deps(&self, visit: &mut dyn FnMut(&AnyDRef)) {
        self.planned().visit(visit);
    }

    fn way_address(&self) -> usize {
        Arc::as_ptr(&self.way).cast::<()>() as usize
    }

    fn omitted(&self) -> &Omitted {
        self.derivation().omitted()
    }

    fn is_exact(&self) -> bool {
        C::is_exact()
    }

    fn check_config(&self) -> Result<()> {
        self.derivation().check()
    }

    fn code(&self) -> Option<&Arc<Code>> {
        match &self.way.realizer {
            NodeRealizer::Own { code, .. } | NodeRealizer::Given { code, .. } => Some(code),
            NodeRealizer::Detached => None,
        }
    }

    fn nouts(&self) -> usize {
        self.way.realizer.nouts()
    }

    fn limits(&self) -> &Limits {
        &self.way.limits
    }

    fn promises(&self) -> &'static [Promise] {
        C::PROMISES
    }

    fn args(&self) -> Vec<ArgType> {
        (self.way.args)()
    }

    fn takes(&self) -> Takes {
        self.way.takes
    }

    fn note(&self) -> Option<&str> {
        self.way.note.as_deref()
    }

    fn matcher(&self) -> String {
        let mut matcher = match &self.way.matcher {
            NodeMatcher::Own { written, .. } => (*written).to_owned(),
            NodeMatcher::Given(matcher) => matcher.describe(),
            NodeMatcher::Detached => String::new(),
        };
        if self.way.takes.failures() {
            matcher += " or a failure";
        }
        matcher
    }

    fn needs(&self) -> &[RRefId] {
        match &self.way.matcher {
            NodeMatcher::Given(matcher) => matcher.needs(),
            NodeMatcher::Own { .. } | NodeMatcher::Detached => &[],
        }
    }

    fn takes_the_only(&self) -> bool {
        match &self.way.matcher {
            NodeMatcher::Own { takes_the_only, .. } => *takes_the_only,
            NodeMatcher::Given(matcher) => matcher.takes_the_only(),
            NodeMatcher::Detached => false,
        }
    }

    fn select(
        self: Arc<Self>,
        candidates: Vec<Realization>,
        chosen: &Chosen,
    ) -> Result<Selection, BoxError> {
        let candidates: Vec<RRef<C>> = candidates
            .into_iter()
            .map(|realization| RRef::new(realization, self.clone(), chosen.clone()))
            .collect();
        let choice = match &self.way.matcher {
            NodeMatcher::Own { select, .. } => select(&candidates)?,
            NodeMatcher::Given(matcher) => matcher.select(&candidates)?,
            NodeMatcher::Detached => {
                let why = "it was read from a store, without a matcher: instantiate its config";
                return Ok(Selection::Never(why.to_owned()));
            }
        };
        let mut taken = match choice {
            Choice::Take(taken) => taken,
            Choice::Build(more) => return Ok(Selection::Build(more)),
            Choice::Never(why) => return Ok(Selection::Never(why)),
        };
        taken.sort_unstable();
        taken.dedup();
        if let Some(foreign) = taken
            .iter()
            .find(|rref| candidates.binary_search(rref).is_err())
        {
            return Err(format!("the matcher took {foreign}, which is no candidate").into());
        }
        if !self.way.takes.admits(taken.len()) {
            let count = taken.len();
            return Err(format!(
                "the matcher took {count} realizations, which its kind does not allow"
            )
            .into());
        }
        Ok(Selection::Take(taken.iter().map(RRef::erase).collect()))
    }

    fn typed(
        self: Arc<Self>,
        realization: Realization,
        chosen: &Chosen,
        failure: Option<Arc<str>>,
    ) -> AnyRRef {
        AnyRRef::new(realization, self, chosen.clone(), failure)
    }

    fn run(&self, run: Run<'_>) -> Result<(), BoxError> {
        let build = self.build(run)?;
        match &self.way.realizer {
            NodeRealizer::Own { run, .. } => run(&build),
            NodeRealizer::Given { run, .. } => run(&build),
            NodeRealizer::Detached => Err("it was read from a store, without its stage".into()),
        }
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<C>()
    }

    fn conflict(&self, other: &dyn AnyNode) -> Option<String> {
        let any: &dyn Any = other;
        let Some(other) = any.downcast_ref::<Self>() else {
            let (one, two) = (self.type_name(), other.type_name());
            return Some(format!("it is a `{one}` and a `{two}`"));
        };
        let (way, other) = (&*self.way, &*other.way);
        if std::ptr::eq(way, other) {
            return None;
        }
        let same_matcher = match (&way.matcher, &other.matcher) {
            (NodeMatcher::Own { .. }, NodeMatcher::Own { .. }) => true,
            (NodeMatcher::Given(one), NodeMatcher::Given(two)) => {
                Arc::ptr_eq(one, two) || one.same_as(&**two)
            }
            (NodeMatcher::Detached, NodeMatcher::Detached) => true,
            _ => false,
        };
        if way.limits != other.limits {
            return Some("their limits differ".to_owned());
        }
        if !same_matcher || way.takes != other.takes {
            return Some("their matchers differ".to_owned());
        }
        let same_realizer = match (&way.realizer, &other.realizer) {
            (NodeRealizer::Own { .. }, NodeRealizer::Own { .. })
            | (NodeRealizer::Detached, NodeRealizer::Detached) => true,
            (
                NodeRealizer::Given {
                    run: one,
                    place: at_one,
                    code: code_one,
                    ..
                },
                NodeRealizer::Given {
                    run: two,
                    place: at_two,
                    code: code_two,
                    ..
                },
            ) => Arc::ptr_eq(one, two) || (at_one == at_two && code_one == code_two),
            _ => false,
        };
        (!same_realizer).then(|| "their realizers differ".to_owned())
    }
}

impl<C: Config> Chained for Node<C> {
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Chained for dyn AnyNode {
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// A derivation in a plan whose config's type is forgotten: the members of a mixed target.
#[derive(Clone)]
pub struct AnyDRef(Link<dyn AnyNode>);

impl AnyDRef {
    pub(super) fn new<C: Config>(node: Node<C>) -> Self {
        AnyDRef(Link::new(Arc::new(node)))
    }

    pub(crate) fn detached<C: Config, Q: Cardinality>(derivation: Derivation<C>) -> Self {
        AnyDRef::new(Node::detached::<Q>(derivation))
    }

    /// The reference.
    pub fn id(&self) -> &DRefId {
        self.0.json().id()
    }

    /// The config as it is written in a store.
    pub fn config_json(&self) -> &ConfigJson {
        self.0.json()
    }

    pub(crate) fn node(&self) -> &dyn AnyNode {
        &*self.0
    }

    /// Tells nodes apart without looking into them.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(self.0.arc()).cast::<()>() as usize
    }

    /// Its node with its type again, if `C` is its config.
    pub(crate) fn node_of<C: Config>(&self) -> Option<&Node<C>> {
        let any: &dyn Any = self.node();
        any.downcast_ref()
    }

    /// The same, shared.
    pub(super) fn shared_node_of<C: Config>(&self) -> Option<Arc<Node<C>>> {
        self.0.arc().clone().erase().downcast().ok()
    }

    /// Asks the matcher.
    pub(crate) fn select(
        &self,
        candidates: Vec<Realization>,
        chosen: &Chosen,
    ) -> Result<Selection, BoxError> {
        self.0.arc().clone().select(candidates, chosen)
    }

    /// A realization with its type, whatever the matcher thinks of it. `failure` is the text of its error, if it is one.
    pub(crate) fn realization(
        &self,
        realization: Realization,
        chosen: &Chosen,
        failure: Option<Arc<str>>,
    ) -> AnyRRef {
        self.0.arc().clone().typed(realization, chosen, failure)
    }
}

impl AsRef<DRefId> for AnyDRef {
    fn as_ref(&self) -> &DRefId {
        self.id()
    }
}

impl fmt::Debug for AnyDRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}

impl fmt::Display for AnyDRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.id(), f)
    }
}
