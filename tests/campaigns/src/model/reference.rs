//! The predicted content of two stores.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest_state_machine::ReferenceStateMachine;
use std::collections::{BTreeMap, BTreeSet};

/// The stages, each with its dependencies.
pub(super) const STAGES: [&[usize]; 6] = [&[], &[], &[0], &[0, 1], &[2], &[2, 3]];

/// A realization: its stage, its content, and the realizations of the dependencies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) stage: usize,
    pub(super) content: u8,
    pub(super) from: Vec<Key>,
}

/// The predicted content of one store.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// The realizations with their builds, which are numbered in order.
    pub(super) there: BTreeMap<Key, BTreeSet<u64>>,
    /// The derivations.
    pub(super) stages: BTreeSet<usize>,
    /// The derivations in use by its process.
    pub(super) used: BTreeSet<usize>,
    /// Roots by name.
    pub(super) roots: BTreeMap<usize, Key>,
    /// The links outside of the store.
    pub(super) links: BTreeMap<usize, Key>,
    /// The roots of links, including those whose link points elsewhere now.
    pub(super) link_roots: BTreeSet<(usize, Key)>,
}

/// Two stores and some archives.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) stores: [Held; 2],
    pub(super) archives: BTreeMap<usize, BTreeMap<Key, BTreeSet<u64>>>,
    pub(super) builds: u64,
    /// Whether the last step should have failed.
    pub(super) refused: bool,
}

/// A step, on the store with this number.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Publishes; an index chooses the realization of each dependency, among the existing ones or, if `lost`, among all that
    /// were ever predicted.
    Publish(usize, Key),
    Abandon(usize),
    Root(usize, usize, Key),
    Unroot(usize, usize),
    Link(usize, usize, Key),
    Unlink(usize, usize),
    /// Removes a link without using the store.
    Cut(usize, usize),
    Gc(usize, usize),
    Remove(usize, Key, bool, bool),
    RemoveStage(usize, usize, bool, bool),
    Pack(usize, usize, Vec<Key>),
    Unpack(usize, usize),
    /// Copies from this store to the other one.
    Copy(usize, Vec<Key>),
    /// The process exits, or dies during a build.
    Reopen(usize, bool),
}

impl Step {
    pub(super) fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split('(').next().unwrap_or_default().to_lowercase()
    }
}

impl Held {
    pub(super) fn closure<'a>(&self, of: impl IntoIterator<Item = &'a Key>) -> BTreeSet<Key> {
        let mut all = BTreeSet::new();
        let mut next: Vec<&Key> = of.into_iter().collect();
        while let Some(key) = next.pop() {
            if self.there.contains_key(key) && all.insert(key.clone()) {
                next.extend(&key.from);
            }
        }
        all
    }

    fn dependents(&self, of: &BTreeSet<Key>) -> BTreeSet<Key> {
        let mut all = of.clone();
        loop {
            let more = self.there.keys().filter(|key| {
                !all.contains(*key) && key.from.iter().any(|from| all.contains(from))
            });
            let more: Vec<Key> = more.cloned().collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    fn counting(&self) -> impl Iterator<Item = &Key> {
        let links = (self.link_roots.iter())
            .filter(|(link, key)| self.links.get(link) == Some(key))
            .map(|(_, key)| key);
        self.roots.values().chain(links)
    }

    /// Predicts the result of a collection.
    fn collect(&mut self, newest: usize) {
        let mut keep: Vec<&Key> = self.counting().collect();
        keep.extend(
            self.there
                .keys()
                .filter(|key| self.used.contains(&key.stage)),
        );
        for stage in 0..STAGES.len() {
            let mut of: Vec<_> = self
                .there
                .iter()
                .filter(|(key, _)| key.stage == stage)
                .collect();
            of.sort_by_key(|(_, builds)| std::cmp::Reverse(builds.last().copied()));
            keep.extend(of.into_iter().take(newest).map(|(key, _)| key));
        }
        let kept = self.closure(keep);
        self.there.retain(|key, _| kept.contains(key));
        let (there, used) = (&self.there, &self.used);
        self.stages
            .retain(|stage| used.contains(stage) || there.keys().any(|key| key.stage == *stage));
        let links = &self.links;
        self.link_roots
            .retain(|(link, key)| links.get(link) == Some(key) || used.contains(&key.stage));
    }

    /// Returns whether a removal succeeds.
    fn remove(
        &mut self,
        targets: &BTreeSet<Key>,
        stage: Option<usize>,
        dependents: bool,
        force: bool,
    ) -> bool {
        let all = self.dependents(targets);
        if !dependents && all.len() > targets.len() {
            return false;
        }
        let uses = |stage: &usize| self.used.contains(stage);
        let in_use = all.iter().map(|key| &key.stage).chain(&stage).any(uses);
        if !force && (in_use || self.counting().any(|key| all.contains(key))) {
            return false;
        }
        self.there.retain(|key, _| !all.contains(key));
        self.roots.retain(|_, key| !all.contains(key));
        self.link_roots.retain(|(_, key)| !all.contains(key));
        if let Some(stage) = stage {
            self.stages.remove(&stage);
        }
        true
    }

    fn receive(&mut self, what: &BTreeMap<Key, BTreeSet<u64>>) {
        for (key, builds) in what {
            self.there.entry(key.clone()).or_default().extend(builds);
            self.stages.insert(key.stage);
            self.used.insert(key.stage);
        }
    }

    fn with_builds(&self, keys: BTreeSet<Key>) -> BTreeMap<Key, BTreeSet<u64>> {
        let builds = |key: Key| {
            let builds = self.there.get(&key).cloned().unwrap_or_default();
            (key, builds)
        };
        keys.into_iter().map(builds).collect()
    }
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        let model = model.clone();
        let chances = (
            0..26_usize,
            0..2_usize,
            0..3_usize,
            any::<[Index; 8]>(),
            any::<(bool, bool)>(),
        );
        chances
            .prop_map(move |(kind, store, place, at, (one, other))| {
                step(&model, kind, store, place, at, one, other)
            })
            .boxed()
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        let has = |store: &usize, key: &Key| model.stores[*store].there.contains_key(key);
        match step {
            Step::Root(store, _, key) | Step::Link(store, _, key) => has(store, key),
            Step::Remove(store, key, ..) => has(store, key),
            Step::RemoveStage(store, stage, ..) => model.stores[*store].stages.contains(stage),
            Step::Pack(store, _, keys) | Step::Copy(store, keys) => {
                keys.iter().all(|key| has(store, key))
            }
            Step::Unpack(_, archive) => model.archives.contains_key(archive),
            _ => true,
        }
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.refused = false;
        match step {
            Step::Publish(store, key) => {
                let held = &mut model.stores[*store];
                held.used.insert(key.stage);
                held.used.extend(key.from.iter().map(|from| from.stage));
                model.builds += 1;
                if key.from.iter().all(|from| held.there.contains_key(from)) {
                    held.stages.insert(key.stage);
                    held.there
                        .entry(key.clone())
                        .or_default()
                        .insert(model.builds);
                } else {
                    model.refused = true;
                }
            }
            Step::Abandon(_) => {}
            Step::Root(store, name, key) => {
                model.stores[*store].roots.insert(*name, key.clone());
            }
            Step::Unroot(store, name) => {
                model.stores[*store].roots.remove(name);
            }
            Step::Link(store, link, key) => {
                let held = &mut model.stores[*store];
                held.used.insert(key.stage);
                held.links.insert(*link, key.clone());
                held.link_roots.insert((*link, key.clone()));
            }
            Step::Unlink(store, link) | Step::Cut(store, link) => {
                model.stores[*store].links.remove(link);
            }
            Step::Gc(store, newest) => model.stores[*store].collect(*newest),
            Step::Remove(store, key, dependents, force) => {
                let targets = BTreeSet::from([key.clone()]);
                model.refused = !model.stores[*store].remove(&targets, None, *dependents, *force);
            }
            Step::RemoveStage(store, stage, dependents, force) => {
                let held = &mut model.stores[*store];
                let of = held.there.keys().filter(|key| key.stage == *stage);
                let targets = of.cloned().collect();
                model.refused = !held.remove(&targets, Some(*stage), *dependents, *force);
            }
            Step::Pack(store, archive, keys) => {
                let held = &mut model.stores[*store];
                held.used.extend(keys.iter().map(|key| key.stage));
                let packed = held.with_builds(held.closure(keys));
                model.archives.insert(*archive, packed);
            }
            Step::Unpack(store, archive) => {
                if let Some(packed) = model.archives.get(archive) {
                    model.stores[*store].receive(packed);
                }
            }
            Step::Copy(store, keys) => {
                let held = &mut model.stores[*store];
                held.used.extend(keys.iter().map(|key| key.stage));
                let copied = held.with_builds(held.closure(keys));
                model.stores[1 - *store].receive(&copied);
            }
            Step::Reopen(store, _) => model.stores[*store].used.clear(),
        }
        model
    }
}

fn step(
    model: &Model,
    kind: usize,
    store: usize,
    place: usize,
    at: [Index; 8],
    one: bool,
    other: bool,
) -> Step {
    let held = &model.stores[store];
    let there: Vec<&Key> = held.there.keys().collect();
    let publish = || {
        // Sometimes a realization that cannot be published: its dependency is only in the other store.
        let from_other = at[1].index(12) == 0;
        let from = if from_other {
            &model.stores[1 - store]
        } else {
            held
        };
        let can = |stage: &usize| {
            let has = |dep: &usize| from.there.keys().any(|key| key.stage == *dep);
            STAGES[*stage].iter().all(has)
        };
        let stages: Vec<usize> = (0..STAGES.len()).filter(can).collect();
        let stage = stages[at[2].index(stages.len())];
        let chosen = STAGES[stage].iter().enumerate().map(|(which, dep)| {
            let of: Vec<&Key> = from.there.keys().filter(|key| key.stage == *dep).collect();
            of[at[3 + which].index(of.len())].clone()
        });
        let from = chosen.collect();
        let content = at[0].index(3) as u8;
        Step::Publish(
            store,
            Key {
                stage,
                content,
                from,
            },
        )
    };
    if kind < 8 {
        return publish();
    }
    let stages: Vec<usize> = held.stages.iter().copied().collect();
    let key = there
        .get(at[0].index(there.len().max(1)))
        .map(|key| (*key).clone());
    let some = || {
        let more = there.get(at[1].index(there.len().max(1)));
        key.iter()
            .cloned()
            .chain(more.filter(|_| one).map(|key| (*key).clone()))
            .collect()
    };
    match (kind, &key) {
        (8 | 9, Some(key)) => Step::Root(store, place, key.clone()),
        (10, _) => Step::Unroot(store, place),
        (11 | 12, Some(key)) => Step::Link(store, place, key.clone()),
        (13, _) => Step::Unlink(store, place),
        (14, _) => Step::Cut(store, place),
        (15 | 16, _) => Step::Gc(store, usize::from(one)),
        (17, Some(key)) => Step::Remove(store, key.clone(), one, other),
        (18, _) if !stages.is_empty() => {
            Step::RemoveStage(store, stages[at[0].index(stages.len())], one, other)
        }
        (19, Some(_)) => Step::Pack(store, place, some()),
        (20, _) if !model.archives.is_empty() => {
            let archives: Vec<usize> = model.archives.keys().copied().collect();
            Step::Unpack(store, archives[at[0].index(archives.len())])
        }
        (21, Some(_)) => Step::Copy(store, some()),
        (22..=24, _) => Step::Reopen(store, one),
        (25, _) => Step::Abandon(store),
        _ => publish(),
    }
}
