//! The nodes of a plan: derivations with their recipes.

use std::any::Any;
use std::fmt;
use std::panic::{Location, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::args::{ArgType, Args};
use super::code::Code;
use super::counting::CountingRecipe;
use super::derivation::Derivation;
use super::limits::Limits;
use super::matcher::{AnyMatcher, Choice, ReadArtifacts, StageMatcher};
use super::place::Place;
use super::reading::Reading;
use super::sealing::Sealing;
use super::stage::Stage;
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::lens::{
    AnyRRef, Build, BuildLog, Cardinality, Chained, Chosen, Config, HasConfig, Link, Omitted,
    ProgressSender, Promise, RRef, Site, Takes,
};
use crate::store::Realization;
use crate::{BoxError, Result};

/// A derivation with its recipe.
pub(crate) struct Node<C: Config> {
    base: NodeDerivation<C>,
    recipe: Arc<Recipe<C>>,
}

/// The derivation of a node.
enum NodeDerivation<C: Config> {
    /// Stored inline, so that each stage of a plan takes one allocation.
    Inline(Derivation<C>),
    /// Shared with another node, which has another recipe.
    Shared(Arc<Node<C>>),
}

/// How realizations of a derivation are chosen and made. All derivations of a stage share one recipe, unless the plan
/// changes it for some of them.
pub(super) struct Recipe<C: Config> {
    pub(super) matcher: NodeMatcher<C>,
    pub(super) realizer: NodeRealizer<C>,
    pub(super) limits: Arc<Limits>,
    /// What a sealed stage may reach. It holds for a realizer that the plan gives, too.
    pub(super) sealing: Option<Sealing>,
    /// The cardinality of the choice.
    pub(super) takes: Takes,
    /// The run-time arguments that the stage takes.
    pub(super) args: fn() -> Vec<ArgType>,
    /// A note, which is shown to people and is not in the config.
    pub(super) note: Option<Arc<str>>,
    /// The name of the stage and its place in the source; `None` for a derivation that was read from a store.
    pub(super) stage: Option<(&'static str, Place)>,
}

/// The matcher: that of the stage, or one that the plan gives.
pub(crate) enum NodeMatcher<C: Config> {
    Own {
        matcher: Arc<OwnMatcher<C>>,
        written: &'static str,
    },
    Given(Arc<dyn AnyMatcher<C>>),
    /// Of a derivation that was read from a store.
    Detached,
}

/// The matcher of a stage, which is made when it is first needed.
pub(crate) struct OwnMatcher<C: Config> {
    make: fn() -> StageMatcher<C>,
    /// `None` if its expression panicked: it panics again, and the panic is reported, when the stage has to choose.
    made: OnceBox<Option<StageMatcher<C>>>,
}

impl<C: Config> OwnMatcher<C> {
    fn get(&self) -> Option<&StageMatcher<C>> {
        let made = self
            .made
            .get_or_init(|| Box::new(catch_unwind(self.make).ok()));
        made.as_ref()
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        match self.get() {
            Some(matcher) => matcher.select(candidates),
            None => (self.make)().select(candidates),
        }
    }
}

/// The realizer: the stage function, or one that the plan gives.
pub(crate) enum NodeRealizer<C: Config> {
    Own {
        run: RunFn<C>,
        code: Arc<Code>,
        nouts: usize,
        reads: Reading,
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

impl<C: Stage> Recipe<C> {
    /// Makes the recipe of the stage.
    pub(super) fn of_stage() -> Self {
        Recipe {
            matcher: NodeMatcher::Own {
                matcher: Arc::new(OwnMatcher {
                    make: C::matcher,
                    made: OnceBox::new(),
                }),
                written: C::MATCHER,
            },
            realizer: NodeRealizer::Own {
                run: C::realize,
                code: Arc::new(Code::of_stage::<C>()),
                nouts: C::NOUTS,
                reads: C::READS,
            },
            limits: Arc::new(C::limits()),
            sealing: C::SEALING,
            takes: C::Card::TAKES,
            args: C::args,
            note: None,
            stage: Some((C::NAME, C::PLACE)),
        }
    }
}

impl<C: Config> Clone for Recipe<C> {
    fn clone(&self) -> Self {
        Recipe {
            matcher: self.matcher.clone(),
            realizer: self.realizer.clone(),
            limits: self.limits.clone(),
            sealing: self.sealing,
            takes: self.takes,
            args: self.args,
            note: self.note.clone(),
            stage: self.stage,
        }
    }
}

impl<C: Config> Node<C> {
    pub(super) fn new(derivation: Derivation<C>, recipe: Arc<Recipe<C>>) -> Self {
        let base = NodeDerivation::Inline(derivation);
        Node { base, recipe }
    }

    pub(crate) fn detached<Q: Cardinality>(derivation: Derivation<C>) -> Self {
        let recipe = Recipe {
            matcher: NodeMatcher::Detached,
            realizer: NodeRealizer::Detached,
            limits: Arc::default(),
            sealing: None,
            takes: Q::TAKES,
            args: Vec::new,
            note: None,
            stage: None,
        };
        Node::new(derivation, Arc::new(recipe))
    }

    /// Returns the same derivation with another recipe.
    pub(super) fn with(self: Arc<Self>, recipe: Arc<Recipe<C>>) -> Self {
        let node = match &self.base {
            NodeDerivation::Inline(_) => self,
            NodeDerivation::Shared(node) => node.clone(),
        };
        Node {
            base: NodeDerivation::Shared(node),
            recipe,
        }
    }

    /// Returns the config as the plan has it.
    pub(super) fn planned(&self) -> &C {
        self.derivation().planned()
    }

    fn derivation(&self) -> &Derivation<C> {
        match &self.base {
            NodeDerivation::Inline(derivation) => derivation,
            NodeDerivation::Shared(node) => node.derivation(),
        }
    }

    pub(super) fn recipe(&self) -> &Recipe<C> {
        &self.recipe
    }

    /// Makes the argument of the realizer.
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
            NodeMatcher::Own { matcher, written } => NodeMatcher::Own {
                matcher: matcher.clone(),
                written,
            },
            NodeMatcher::Given(matcher) => NodeMatcher::Given(matcher.clone()),
            NodeMatcher::Detached => NodeMatcher::Detached,
        }
    }
}

impl<C: Config> Clone for NodeRealizer<C> {
    fn clone(&self) -> Self {
        match self {
            NodeRealizer::Own {
                run,
                code,
                nouts,
                reads,
            } => NodeRealizer::Own {
                run: *run,
                code: code.clone(),
                nouts: *nouts,
                reads: *reads,
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

    fn set_code(&mut self, new: Arc<Code>) {
        match self {
            NodeRealizer::Own { code, .. } | NodeRealizer::Given { code, .. } => *code = new,
            NodeRealizer::Detached => {}
        }
    }
}

/// A node without the type of its config, as runs use it.
pub(crate) trait AnyNode: Any + Send + Sync {
    fn json(&self) -> &ConfigJson;
    /// Calls `visit` for each dependency that the config owns.
    fn visit_deps(&self, visit: &mut dyn FnMut(&AnyDRef));
    fn omitted(&self) -> &Omitted;
    /// Returns the values of the fields that are not part of the identity.
    fn unhashed(&self) -> Result<Omitted>;
    /// Returns whether the types of the config's fields guarantee a lossless round trip through JSON.
    fn is_exact(&self) -> bool;
    /// Fails if the config does not survive a round trip through its JSON.
    fn check_config(&self) -> Result<()>;
    /// Returns the address of the recipe, which identifies it.
    fn recipe_address(&self) -> usize;
    /// Returns the name of the stage and its place in the source; `None` for a derivation that was read from a store.
    fn stage(&self) -> Option<(&'static str, Place)>;
    /// Returns the code of the realizer; `None` for a derivation that was read from a store.
    fn code(&self) -> Option<&Arc<Code>>;
    /// Implements [`AnyDRef::counting`].
    fn counting(self: Arc<Self>, counting: &mut CountingRecipe) -> AnyDRef;
    fn nouts(&self) -> usize;
    /// Returns what counts as read by the realizer.
    fn reads(&self) -> Reading;
    fn limits(&self) -> &Limits;
    /// Returns what the stage may reach if it says that it is sealed.
    fn sealing(&self) -> Option<Sealing>;
    /// Returns whether the code may run in another process: that of the library's own stages reads what another machine may not see.
    fn leaves_the_process(&self) -> bool;
    fn promises(&self) -> &'static [Promise];
    /// Returns the types of the run-time arguments that the stage takes.
    fn args(&self) -> Vec<ArgType>;
    /// Returns the cardinality of the choice.
    fn takes(&self) -> Takes;
    /// Returns a description of the matcher, for messages and build records.
    fn matcher(&self) -> String;
    /// Returns the note of the recipe, which is shown to people.
    fn note(&self) -> Option<&str>;
    /// Returns the realizations that the matcher requires.
    fn needs(&self) -> &[RRefId];
    /// Returns which artifacts of the candidates the matcher reads.
    fn read_artifacts(&self) -> ReadArtifacts;
    /// Returns whether the matcher always takes a single candidate.
    fn takes_the_only(&self) -> bool;
    /// Implements [`AnyDRef::select`].
    fn select(
        self: Arc<Self>,
        candidates: Vec<Realization>,
        chosen: &Chosen,
    ) -> Result<Selection, BoxError>;
    /// Implements [`AnyDRef::realization`].
    fn typed(
        self: Arc<Self>,
        realization: Realization,
        chosen: &Chosen,
        failure: Option<Arc<str>>,
    ) -> AnyRRef;
    /// Runs the realizer once.
    fn run(&self, run: Run<'_>) -> Result<(), BoxError>;
    /// Returns the name of the config's type, for messages.
    fn type_name(&self) -> &'static str;
    /// Returns the reason why two nodes of the same derivation contradict each other; `None` if they agree.
    fn conflict(&self, other: &dyn AnyNode) -> Option<String>;
}

/// The inputs of one run of a realizer.
pub(crate) struct Run<'a> {
    pub(crate) chosen: &'a Chosen,
    pub(crate) out: &'a Path,
    /// The cache folder of the store.
    pub(crate) cache: &'a Path,
    pub(crate) progress: ProgressSender,
    pub(crate) log: BuildLog,
    pub(crate) index: usize,
    pub(crate) site: Site,
    pub(crate) args: &'a Args,
}

/// The choice of a matcher, without the type of the config.
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

    fn recipe_address(&self) -> usize {
        Arc::as_ptr(&self.recipe).cast::<()>() as usize
    }

    fn stage(&self) -> Option<(&'static str, Place)> {
        self.recipe.stage
    }

    fn omitted(&self) -> &Omitted {
        self.derivation().omitted()
    }

    fn unhashed(&self) -> Result<Omitted> {
        self.derivation().planned().unhashed()
    }

    fn is_exact(&self) -> bool {
        C::is_exact()
    }

    fn check_config(&self) -> Result<()> {
        self.derivation().check()
    }

    fn code(&self) -> Option<&Arc<Code>> {
        match &self.recipe.realizer {
            NodeRealizer::Own { code, .. } | NodeRealizer::Given { code, .. } => Some(code),
            NodeRealizer::Detached => None,
        }
    }

    fn counting(self: Arc<Self>, counting: &mut CountingRecipe) -> AnyDRef {
        let known = counting.recipe.clone();
        let recipe = known.and_then(|known| known.downcast::<Recipe<C>>().ok());
        let recipe = recipe.unwrap_or_else(|| {
            let mut recipe = Recipe::clone(&self.recipe);
            recipe.realizer.set_code(counting.code.clone());
            Arc::new(recipe)
        });
        counting.recipe = Some(recipe.clone());
        AnyDRef::new(self.with(recipe))
    }

    fn nouts(&self) -> usize {
        self.recipe.realizer.nouts()
    }

    fn reads(&self) -> Reading {
        match &self.recipe.realizer {
            NodeRealizer::Own { reads, .. } => *reads,
            // What a stage says is said of its function.
            NodeRealizer::Given { .. } | NodeRealizer::Detached => Reading::default(),
        }
    }

    fn limits(&self) -> &Limits {
        &self.recipe.limits
    }

    fn sealing(&self) -> Option<Sealing> {
        self.recipe.sealing
    }

    fn leaves_the_process(&self) -> bool {
        self.recipe
            .stage
            .is_none_or(|(_, place)| place.crate_name() != env!("CARGO_CRATE_NAME"))
    }

    fn promises(&self) -> &'static [Promise] {
        C::PROMISES
    }

    fn args(&self) -> Vec<ArgType> {
        (self.recipe.args)()
    }

    fn takes(&self) -> Takes {
        self.recipe.takes
    }

    fn note(&self) -> Option<&str> {
        self.recipe.note.as_deref()
    }

    fn matcher(&self) -> String {
        let mut matcher = match &self.recipe.matcher {
            NodeMatcher::Own { written, .. } => (*written).to_owned(),
            NodeMatcher::Given(matcher) => matcher.describe(),
            NodeMatcher::Detached => String::new(),
        };
        if self.recipe.takes.failures() {
            matcher += " or a failure";
        }
        matcher
    }

    fn needs(&self) -> &[RRefId] {
        match &self.recipe.matcher {
            NodeMatcher::Own { matcher, .. } => matcher.get().map_or(&[], StageMatcher::needs),
            NodeMatcher::Given(matcher) => matcher.needs(),
            NodeMatcher::Detached => &[],
        }
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        match &self.recipe.matcher {
            NodeMatcher::Own { matcher, .. } => match matcher.get() {
                Some(matcher) => matcher.read_artifacts(),
                None => ReadArtifacts::All,
            },
            NodeMatcher::Given(matcher) => matcher.read_artifacts(),
            NodeMatcher::Detached => ReadArtifacts::Nothing,
        }
    }

    fn takes_the_only(&self) -> bool {
        match &self.recipe.matcher {
            NodeMatcher::Own { matcher, .. } => {
                matcher.get().is_some_and(StageMatcher::takes_the_only)
            }
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
        let choice = match &self.recipe.matcher {
            NodeMatcher::Own { matcher, .. } => matcher.select(&candidates)?,
            NodeMatcher::Given(matcher) => matcher.select(&candidates)?,
            NodeMatcher::Detached => {
                let reason = "it was read from a store, without a matcher: instantiate its config";
                return Ok(Selection::Never(reason.to_owned()));
            }
        };
        let mut taken = match choice {
            Choice::Take(taken) => taken,
            Choice::Build(more) => return Ok(Selection::Build(more)),
            Choice::Never(reason) => return Ok(Selection::Never(reason)),
        };
        taken.sort_unstable();
        taken.dedup();
        if let Some(foreign) = taken
            .iter()
            .find(|rref| candidates.binary_search(rref).is_err())
        {
            return Err(format!("the matcher chose {foreign}, which is not a candidate").into());
        }
        if !self.recipe.takes.admits(taken.len()) {
            let count = taken.len();
            return Err(format!(
                "the matcher chose {count} realizations, which its cardinality does not allow"
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
        match &self.recipe.realizer {
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
        let (recipe, other) = (&*self.recipe, &*other.recipe);
        if std::ptr::eq(recipe, other) {
            return None;
        }
        let same_matcher = match (&recipe.matcher, &other.matcher) {
            (NodeMatcher::Own { .. }, NodeMatcher::Own { .. }) => true,
            (NodeMatcher::Given(one), NodeMatcher::Given(two)) => {
                Arc::ptr_eq(one, two) || one.same_as(&**two)
            }
            (NodeMatcher::Detached, NodeMatcher::Detached) => true,
            _ => false,
        };
        if recipe.limits != other.limits {
            return Some("their limits differ".to_owned());
        }
        if !same_matcher || recipe.takes != other.takes {
            return Some("their matchers differ".to_owned());
        }
        let same_realizer = match (&recipe.realizer, &other.realizer) {
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

/// A derivation of a plan without the type of its config, for targets of mixed types.
#[derive(Clone)]
pub struct AnyDRef(Link<dyn AnyNode>);

impl AnyDRef {
    pub(super) fn new<C: Config>(node: Node<C>) -> Self {
        AnyDRef(Link::new(Arc::new(node)))
    }

    pub(crate) fn detached<C: Config, Q: Cardinality>(derivation: Derivation<C>) -> Self {
        AnyDRef::new(Node::detached::<Q>(derivation))
    }

    /// Returns the reference.
    pub fn id(&self) -> &DRefId {
        self.0.json().id()
    }

    /// Returns the canonical JSON of the config.
    pub fn config_json(&self) -> &ConfigJson {
        self.0.json()
    }

    /// Returns the fingerprint of the stage's code; `None` for a derivation that was read from a store, without its stage.
    pub fn code_fingerprint(&self) -> Option<&str> {
        Some(self.node().code()?.fingerprint())
    }

    pub(crate) fn node(&self) -> &dyn AnyNode {
        &*self.0
    }

    /// Returns the address of the node, which identifies it.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(self.0.arc()).cast::<()>() as usize
    }

    /// Restores the type of the node. Returns `None` if `C` is not the type of the config.
    pub(crate) fn node_of<C: Config>(&self) -> Option<&Node<C>> {
        let any: &dyn Any = self.node();
        any.downcast_ref()
    }

    /// Restores the type of the node, with shared ownership.
    pub(super) fn shared_node_of<C: Config>(&self) -> Option<Arc<Node<C>>> {
        self.0.arc().clone().erase().downcast().ok()
    }

    /// Returns the same derivation with code for which more counts.
    pub(super) fn counting(&self, counting: &mut CountingRecipe) -> AnyDRef {
        self.0.arc().clone().counting(counting)
    }

    /// Calls the matcher.
    pub(crate) fn select(
        &self,
        candidates: Vec<Realization>,
        chosen: &Chosen,
    ) -> Result<Selection, BoxError> {
        self.0.arc().clone().select(candidates, chosen)
    }

    /// Makes a typed realization, without the matcher. `failure` is the text of the error, if it is a failure.
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
