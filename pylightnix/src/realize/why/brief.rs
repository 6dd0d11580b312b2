//! Summaries of what changed, for the stages of a plan that would run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use super::change::{Cause, Version, causes, choice_text, chosen, followed};
use super::code::{CodeChange, CodeChanges};
use super::nearest::{Namesakes, before};
use super::stage_version::{Source, StageVersion};
use crate::Result;
use crate::config::{DRefId, FieldChange, Name};
use crate::plan::PlanGraph;
use crate::realize::report::action::{Action, DryPlan, Foreseen};
use crate::realize::report::reason::Reason;
use crate::realize::report::reason::Stale;
use crate::store::{RecordedChoice, Store};

/// The maximum number of stages that are explained.
pub(in crate::realize) const MOST: usize = 300;

/// The maximum number of dependencies that are followed for one stage, and the maximum depth.
const FOLLOWED: usize = 200;
const DEEP: usize = 100;

/// The maximum number of first changes that the summary for one stage names, and of fields in each.
const ROOTS: usize = 3;
const FIELDS: usize = 3;

/// The maximum length of a displayed value, in characters.
const LONG: usize = 40;

/// Computes the summaries for one plan, and caches what it reads.
pub(in crate::realize) struct Briefs<'a> {
    store: &'a Store,
    graph: &'a PlanGraph,
    /// The predicted actions; `None` while a run is in progress.
    foreseen: Option<&'a [Foreseen]>,
    /// The folders of the plan's derivations, computed on first use: none of these is an earlier version of another.
    planned: OnceLock<HashSet<String>>,
    /// For each name, the maximum number of stages that may run.
    to_do: OnceLock<HashMap<Name, usize>>,
    /// The earlier versions, by name.
    namesakes: HashMap<Name, Arc<Namesakes>>,
    code_changes: CodeChanges,
    /// The first changes between two versions.
    known: HashMap<(Version, Version), Arc<Roots>>,
    /// The number of stages that were explained, and the number of dependencies that were followed for the current one.
    asked: usize,
    followed: usize,
}

/// The stages in which something changed first, rather than in a dependency.
#[derive(Clone, Default)]
struct Roots {
    first: Vec<RootChange>,
    /// Whether there are further ones.
    more: bool,
}

/// The change in one of them.
#[derive(Clone)]
struct RootChange {
    dref: DRefId,
    fields: Vec<String>,
    rest: Vec<String>,
}

impl<'a> Briefs<'a> {
    /// Creates the summaries for a plan, with the predicted actions or for a run in progress.
    pub(in crate::realize) fn new(
        store: &'a Store,
        graph: &'a PlanGraph,
        foreseen: Option<&'a [Foreseen]>,
    ) -> Self {
        Briefs {
            store,
            graph,
            foreseen,
            planned: OnceLock::new(),
            to_do: OnceLock::new(),
            namesakes: HashMap::new(),
            code_changes: CodeChanges::default(),
            known: HashMap::new(),
            asked: 0,
            followed: 0,
        }
    }

    /// Summarizes why a run builds a stage now, given the choices for its dependencies.
    pub(in crate::realize) fn of_run(
        &mut self,
        at: usize,
        choices: BTreeMap<DRefId, RecordedChoice>,
        reason: &Reason,
    ) -> String {
        if !is_looked_up(reason) {
            return reason.to_string();
        }
        let was_full = self.asked > MOST;
        let new = StageVersion::planned(self.graph.dref(at), choices);
        match self.of(new, Some(reason)) {
            Some(text) => text,
            None if was_full || self.asked <= MOST => reason.to_string(),
            None => format!("{reason} (further stages are not explained)"),
        }
    }

    /// Summarizes how a version differs from the nearest earlier one; `None` if that cannot be read, or if the maximum
    /// number of stages is reached.
    fn of(&mut self, new: StageVersion, reason: Option<&Reason>) -> Option<String> {
        self.asked += 1;
        self.followed = 0;
        if self.asked > MOST {
            return None;
        }
        // An unreadable store makes the run itself fail, so it is ignored here.
        let before = before(self.store, &new, || self.namesakes_of(&new.dref)).ok()?;
        let Some((old, _)) = before.nearest else {
            // Earlier results may have been removed, so the summary does not claim that there were none.
            return reason.map(Reason::to_string);
        };
        let dref = new.dref.clone();
        let roots = self.roots(old, new, 0, None).ok()?;
        roots.text(&dref, self.graph)
    }

    fn namesakes_of(&mut self, dref: &DRefId) -> Result<Arc<Namesakes>> {
        if let Some(namesakes) = self.namesakes.get(dref.name()) {
            return Ok(namesakes.clone());
        }
        let planned = self.planned.get_or_init(|| folders(self.graph));
        let counts = |folder: &str| !planned.contains(folder);
        let to_do = self.to_do.get_or_init(|| to_do(self.graph, self.foreseen));
        let stages = to_do.get(dref.name()).copied().unwrap_or_default();
        let namesakes = Arc::new(Namesakes::of_many(self.store, dref, stages, counts)?);
        self.namesakes
            .insert(dref.name().clone(), namesakes.clone());
        Ok(namesakes)
    }

    /// Finds the first changes between two versions of a stage.
    ///
    /// If nothing else differs, the result contains the reason why another realization was `taken`.
    fn roots(
        &mut self,
        old: StageVersion,
        new: StageVersion,
        depth: usize,
        taken: Option<Cause>,
    ) -> Result<Arc<Roots>> {
        let pair = (old.version(), new.version());
        if let Some(known) = self.known.get(&pair) {
            return Ok(known.clone());
        }
        let (store, graph) = (self.store, self.graph);
        let plan = self.foreseen.map(|foreseen| (graph, foreseen));
        let source = Source {
            store,
            plan,
            code_changes: self.code_changes.clone(),
        };
        let until = (old.build_id(), new.build_id());
        let mut roots = Roots::default();
        let mut own = RootChange::new(&new.dref);
        for cause in causes(&source, &old, &new, taken)? {
            let dep = match cause {
                Cause::Dependency(dep) => dep,
                cause => {
                    own.add(&cause, || self.reason_of(&new));
                    continue;
                }
            };
            if roots.more {
                break;
            }
            let mut found = None;
            if let Some((before, now)) = followed(&dep)
                && depth < DEEP
                && self.followed < FOLLOWED
            {
                self.followed += 1;
                if let Some(known) = self.known.get(&(before.clone(), now.clone())) {
                    found = Some(known.clone());
                } else if let Some(before) = source.side(&before, until.0)?
                    && let Some(now) = source.side(&now, until.1)?
                {
                    let taken = chosen(&dep, &now, until.0);
                    found = Some(self.roots(before, now, depth + 1, taken)?);
                }
            }
            match found {
                Some(found) => roots.extend(&found),
                None => own.rest.push(format!(
                    "made from another `{}`",
                    self.graph.titled(&dep.new)
                )),
            }
        }
        if !own.fields.is_empty() || !own.rest.is_empty() {
            roots.first.insert(0, own);
            roots.limit();
        }
        let roots = Arc::new(roots);
        self.known.insert(pair, roots.clone());
        Ok(roots)
    }

    /// Returns the text for a stage in which nothing differs: why it would run, or that it ran.
    fn reason_of(&self, side: &StageVersion) -> Option<String> {
        if side.rref.is_some() {
            return Some("it gave another result".to_owned());
        }
        let at = self.graph.place(&side.dref)?;
        match &self.foreseen?[at].action {
            Action::Build { reason, .. } => Some(reason.to_string()),
            _ => None,
        }
    }
}

/// Returns whether there is more to say than the reason.
fn is_looked_up(reason: &Reason) -> bool {
    match reason {
        Reason::Missing | Reason::ContextChanged => true,
        Reason::Stale(Stale::Code { added, .. }) => added.is_empty(),
        Reason::Stale(_)
        | Reason::RunsMissing { .. }
        | Reason::Lacking
        | Reason::MoreWanted { .. }
        | Reason::Failed
        | Reason::Forced => false,
    }
}

/// Fills in the summaries for the steps of a plan.
pub(in crate::realize) fn explain(
    store: &Store,
    graph: &PlanGraph,
    foreseen: &[Foreseen],
    plan: &mut DryPlan,
) {
    let source = Source {
        store,
        plan: Some((graph, foreseen)),
        code_changes: CodeChanges::default(),
    };
    let mut briefs = Briefs::new(store, graph, Some(foreseen));
    for step in &mut plan.steps {
        step.why = match &step.action {
            Action::Build { reason, .. } if !is_looked_up(reason) => Some(reason.to_string()),
            Action::Build { reason, .. } => {
                let side = source.planned(&step.dref);
                side.and_then(|side| briefs.of(side, Some(reason)))
            }
            Action::Undecided { .. } => {
                let side = source.planned(&step.dref);
                side.and_then(|side| briefs.of(side, None))
            }
            _ => None,
        };
    }
    plan.untold = briefs.asked.saturating_sub(MOST);
}

/// Returns the folder names of a plan's derivations.
pub(super) fn folders(graph: &PlanGraph) -> HashSet<String> {
    let stages = graph.drefs();
    stages.map(|stage| stage.id().folder()).collect()
}

/// Counts the stages of each name that would run; if that is not known, all stages of the name.
fn to_do(graph: &PlanGraph, foreseen: Option<&[Foreseen]>) -> HashMap<Name, usize> {
    let mut counts = HashMap::new();
    for (at, stage) in graph.drefs().enumerate() {
        let is_there = foreseen.is_some_and(|foreseen| foreseen[at].taken.is_some());
        if !is_there {
            *counts.entry(stage.id().name().clone()).or_default() += 1;
        }
    }
    counts
}

impl RootChange {
    fn new(dref: &DRefId) -> Self {
        RootChange {
            dref: dref.clone(),
            fields: Vec::new(),
            rest: Vec::new(),
        }
    }

    fn add(&mut self, cause: &Cause, reason: impl FnOnce() -> Option<String>) {
        match cause {
            Cause::Field(FieldChange { path, old, new }) => {
                let shown =
                    |value: &Option<String>| value.as_deref().map_or("(none)".into(), short);
                let (old, new) = (shown(old), shown(new));
                self.fields.push(format!("{path} {old} -> {new}"));
            }
            Cause::Default { field, old, new } => {
                let (old, new) = (short(&old.to_string()), short(&new.to_string()));
                self.rest.push(format!("default of {field} {old} -> {new}"));
            }
            Cause::Code(code) => self.rest.push(code_text(code)),
            Cause::Choice { old, new } => self.rest.push(choice_text(old, new)),
            Cause::Nothing => self.rest.extend(reason()),
            // Followed elsewhere.
            Cause::Dependency(_) => {}
        }
    }

    fn text(&self, asked: &DRefId, graph: &PlanGraph) -> String {
        let mut words = Vec::new();
        if !self.fields.is_empty() {
            let mut fields = listed(&self.fields, FIELDS, ", ", " and ");
            if self.dref == *asked {
                fields.insert_str(0, "config changed: ");
            }
            words.push(fields);
        }
        words.extend_from_slice(&self.rest);
        let words = listed(&words, FIELDS, ", ", " and ");
        match self.dref == *asked {
            true => words,
            // The differing fields identify the version already.
            false if !self.fields.is_empty() && !is_noted(graph, &self.dref) => {
                format!("from `{}`: {words}", self.dref.name())
            }
            false => format!("from `{}`: {words}", graph.titled(&self.dref)),
        }
    }
}

impl Roots {
    fn extend(&mut self, other: &Roots) {
        for root in &other.first {
            if !self.first.iter().any(|there| there.dref == root.dref) {
                self.first.push(root.clone());
            }
        }
        self.more |= other.more;
        self.limit();
    }

    fn limit(&mut self) {
        self.more |= self.first.len() > ROOTS;
        self.first.truncate(ROOTS);
    }

    fn text(&self, asked: &DRefId, graph: &PlanGraph) -> Option<String> {
        let mut words: Vec<_> = self
            .first
            .iter()
            .map(|root| root.text(asked, graph))
            .collect();
        if self.more {
            words.push("and more".to_owned());
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// Returns whether people recognize the stage by its note, which is not in a field.
fn is_noted(graph: &PlanGraph, dref: &DRefId) -> bool {
    let at = graph.place(dref);
    at.is_some_and(|at| graph.dref(at).node().note().is_some())
}

fn code_text(code: &CodeChange) -> String {
    let parts = code.parts.iter();
    // Omit the stage's own name, which is obvious.
    let parts: Vec<_> = parts
        .filter(|part| !part.what.starts_with("stage "))
        .map(|part| part.what.clone())
        .collect();
    match parts.is_empty() {
        true => "code changed".to_owned(),
        false => format!("code changed: {}", listed(&parts, FIELDS, ", ", " and ")),
    }
}

/// Joins the first `most` items, and adds the number of further ones.
fn listed(all: &[String], most: usize, between: &str, and: &str) -> String {
    let first = all.iter().take(most).map(String::as_str);
    let mut text = first.collect::<Vec<_>>().join(between);
    if all.len() > most {
        text.push_str(&format!("{and}{} more", all.len() - most));
    }
    text
}

/// Truncates a long value.
fn short(value: &str) -> String {
    match value.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}..", &value[..end]),
        None => value.to_owned(),
    }
}
