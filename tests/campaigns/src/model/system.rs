//! The real stores that are compared with the model.

#![allow(
    clippy::panic,
    reason = "a state machine's test says by panics what does not hold"
)]

use proptest_state_machine::StateMachineTest;
use pylightnix::config::{ConfigJson, DRefId, RRefId};
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

use super::reference::{Held, Key, Model, STAGES, Step};

pub(super) struct Stores {
    folder: TempDir,
    stores: [Option<Store>; 2],
    configs: Vec<ConfigJson>,
    /// The reference of each key, which is the same in both stores whenever it is made.
    rrefs: BTreeMap<Key, RRefId>,
}

impl Stores {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let mut configs: Vec<ConfigJson> = Vec::new();
        for (stage, deps) in STAGES.iter().enumerate() {
            let deps: String = (deps.iter())
                .map(|dep| format!(",\n    \"on{dep}\": \"{}\"", configs[*dep].id()))
                .collect();
            let text = format!("{{\n    \"name\": \"stage-{stage}\"{deps}\n}}");
            configs.push(ConfigJson::from_json(&text)?);
        }
        let mut stores = Stores {
            folder,
            stores: [None, None],
            configs,
            rrefs: BTreeMap::new(),
        };
        for store in 0..2 {
            make_without_reserve(&stores.root(store))?;
            stores.open(store)?;
        }
        make_without_reserve(&stores.folder.path().join("other"))?;
        Ok(stores)
    }

    fn root(&self, store: usize) -> PathBuf {
        self.folder.path().join(format!("store-{store}"))
    }

    fn open(&mut self, store: usize) -> Result<()> {
        let opened = Store::open(self.root(store))?.with_durability(Durability::None);
        self.stores[store] = Some(opened);
        Ok(())
    }

    fn store(&self, store: usize) -> Result<&Store> {
        self.stores[store].as_ref().ok_or_else(|| "no store".into())
    }

    fn link(&self, store: usize, link: usize) -> PathBuf {
        self.folder.path().join(format!("link-{store}-{link}"))
    }

    fn archive(&self, archive: usize) -> PathBuf {
        self.folder.path().join(format!("archive-{archive}.zip"))
    }

    fn some(&self, keys: &[Key]) -> Vec<RRefId> {
        keys.iter().map(|key| self.rrefs[key].clone()).collect()
    }

    /// Releases everything that the process holds, as its end would.
    fn end(&mut self, store: usize) -> Result<()> {
        self.stores[store] = None;
        let (root, away) = (self.root(store), self.folder.path().join("away"));
        fs::rename(&root, &away)?;
        // Opening any store drops the managers of stores that have moved.
        Store::open(self.folder.path().join("other"))?;
        fs::rename(&away, &root)?;
        Ok(())
    }

    fn publish(&mut self, store: usize, key: &Key) -> Result<()> {
        let opened = self.store(store)?;
        let mut draft = opened.plumbing().draft()?;
        fs::write(draft.out().join("text"), format!("content {}", key.content))?;
        let context: Context = self.some(&key.from).into_iter().collect();
        let config = &self.configs[key.stage];
        let build = BuildRecord::now(BuildKind::Build);
        let published = draft.publish(config, &context, Outcome::Ok, &build)?;
        let known = self
            .rrefs
            .entry(key.clone())
            .or_insert_with(|| published.id.clone());
        if *known != published.id {
            return Err(format!("{key:?} is {} and was {known}", published.id).into());
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Publish(store, key) => self.publish(*store, key)?,
            Step::Abandon(store) => {
                let draft = self.store(*store)?.plumbing().draft()?;
                fs::write(draft.out().join("part"), "of it")?;
                drop(draft);
            }
            Step::Root(store, name, key) => {
                self.store(*store)?
                    .add_root(&format!("root-{name}"), &self.rrefs[key])?;
            }
            Step::Unroot(store, name) => {
                self.store(*store)?.remove_root(&format!("root-{name}"))?;
            }
            Step::Link(store, link, key) => {
                self.store(*store)?
                    .link(&self.rrefs[key], self.link(*store, *link))?;
            }
            Step::Unlink(store, link) => {
                self.store(*store)?.unlink(self.link(*store, *link))?;
            }
            Step::Cut(store, link) => {
                let _ = fs::remove_file(self.link(*store, *link));
            }
            Step::Gc(store, newest) => self.collect(*store, *newest)?,
            Step::Remove(store, key, dependents, force) => {
                let mut removal = self.store(*store)?.remove(&self.rrefs[key]);
                if *dependents {
                    removal = removal.with_dependents();
                }
                if *force {
                    removal = removal.force();
                }
                removal.run()?;
            }
            Step::RemoveStage(store, stage, dependents, force) => {
                let mut removal = self
                    .store(*store)?
                    .remove_derivation(self.configs[*stage].id());
                if *dependents {
                    removal = removal.with_dependents();
                }
                if *force {
                    removal = removal.force();
                }
                removal.run()?;
            }
            Step::Pack(store, archive, keys) => {
                self.store(*store)?
                    .pack(self.some(keys), self.archive(*archive))?;
            }
            Step::Unpack(store, archive) => {
                self.store(*store)?.unpack(self.archive(*archive))?;
            }
            Step::Copy(store, keys) => {
                let (from, to) = (self.store(*store)?, self.store(1 - *store)?);
                to.copy_from(from, self.some(keys))?;
            }
            Step::Reopen(store, dies) => {
                if *dies {
                    let draft = self.store(*store)?.plumbing().draft()?;
                    fs::write(draft.out().join("part"), "of it")?;
                    // A draft that is not dropped would hold the store forever, so its folder is kept under another name.
                    let folder = draft.out().parent().unwrap_or(draft.out()).to_owned();
                    fs::rename(&folder, folder.with_file_name("left"))?;
                }
                self.end(*store)?;
                self.open(*store)?;
            }
        }
        Ok(())
    }

    /// Checks that the dry run predicts the collection, and that nothing of dead processes is left.
    fn collect(&self, store: usize, newest: usize) -> Result<()> {
        let opened = self.store(store)?;
        let plan = opened.gc().keep_newest(newest).plan()?;
        let done = opened.gc().keep_newest(newest).run()?;
        let names = |report: &pylightnix::store::GcReport| -> Vec<RRefId> {
            report
                .realizations
                .iter()
                .map(|gone| gone.rref.clone())
                .collect()
        };
        let mut derivations = [plan.derivations.clone(), done.derivations.clone()];
        derivations.iter_mut().for_each(|drefs| drefs.sort());
        if names(&plan) != names(&done)
            || derivations[0] != derivations[1]
            || !done.refused.is_empty()
        {
            return Err(format!("it removed\n{done}\nand not\n{plan}").into());
        }
        crate::invariants::nothing_left(opened.root(), 1)?;
        Ok(())
    }

    fn compare(&self, store: usize, held: &Held) -> Result<()> {
        let opened = self.store(store)?;
        let there: BTreeSet<RRefId> = opened.rrefs()?.into_iter().collect();
        let expected = held
            .there
            .keys()
            .map(|key| self.rrefs[key].clone())
            .collect();
        same("realizations", &there, &expected)?;
        let drefs: BTreeSet<DRefId> = opened.drefs()?.into_iter().collect();
        let expected = held
            .stages
            .iter()
            .map(|stage| self.configs[*stage].id().clone());
        same("derivations", &drefs, &expected.collect())?;
        for (key, builds) in &held.there {
            let found = opened.realization(&self.rrefs[key])?.builds().len();
            same(&format!("builds of {key:?}"), &found, &builds.len())?;
        }
        let (mut roots, mut links) = (BTreeSet::new(), BTreeSet::new());
        for root in opened.roots()? {
            match root.link {
                None => roots.insert((root.name, root.rref)),
                Some(link) => links.insert((link, root.rref, root.counts)),
            };
        }
        let expected = (held.roots.iter())
            .map(|(name, key)| (format!("root-{name}"), self.rrefs[key].clone()));
        same("roots", &roots, &expected.collect())?;
        let expected = (held.link_roots.iter()).map(|(link, key)| {
            let counts = held.links.get(link) == Some(key);
            (self.link(store, *link), self.rrefs[key].clone(), counts)
        });
        same("roots by links", &links, &expected.collect())
    }

    fn check(&self, model: &Model) -> Result<()> {
        for store in 0..2 {
            self.compare(store, &model.stores[store])?;
        }
        Ok(())
    }

    /// At the end, verifies every byte, and checks that a collection without processes leaves what roots protect.
    fn finish(mut self, model: Model) -> Result<()> {
        for store in 0..2 {
            let report = self.store(store)?.check().contents().run()?;
            if !report.faults.is_empty() {
                return Err(report.to_string().into());
            }
            for step in [Step::Reopen(store, true), Step::Gc(store, 0)] {
                self.step(&step)?;
            }
        }
        let steps = (0..2).flat_map(|store| [Step::Reopen(store, true), Step::Gc(store, 0)]);
        let model = steps.fold(model, |model, step| {
            <Model as proptest_state_machine::ReferenceStateMachine>::apply(model, &step)
        });
        self.check(&model)?;
        // The managers of these stores are not needed any more.
        self.end(0)?;
        self.end(1)
    }
}

/// Creates a store without the reserve file: 8 MiB for each store would be most of the work.
fn make_without_reserve(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("reserved"))?;
    let format = "{\"format\": \"pylightnix-store\", \"version\": 1}\n";
    fs::write(root.join("format.json"), format)?;
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, and should be {expected:?}").into())
}

#[track_caller]
fn hold<T>(result: Result<T>) -> T {
    match result {
        Ok(done) => done,
        Err(error) => panic!("{error:?}"),
    }
}

impl StateMachineTest for Stores {
    type SystemUnderTest = Stores;
    type Reference = Model;

    fn init_test(_: &Model) -> Stores {
        hold(Stores::new())
    }

    fn apply(mut stores: Stores, model: &Model, step: Step) -> Stores {
        let done = stores.step(&step);
        match done {
            Ok(()) if model.refused => panic!("{step:?} was not refused"),
            Err(error) if !model.refused => panic!("{step:?}: {error:?}"),
            _ => stores,
        }
    }

    fn check_invariants(stores: &Stores, model: &Model) {
        hold(stores.check(model));
    }

    fn teardown(stores: Stores, model: Model) {
        hold(stores.finish(model));
    }
}
