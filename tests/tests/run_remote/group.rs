//! The stages that the tests of runs with remotes share, and the people who run them.

use pylightnix::config::RRefId;
use pylightnix::plan::Target;
use pylightnix::plan::matcher::some;
use pylightnix::prelude::*;
use pylightnix::realize::{Event, Observer, Report};
use pylightnix::store::Durability;
use pylightnix::store::remote::{Pull, Push, Remote};
use std::path::PathBuf;
use std::sync::Mutex;
use tempfile::TempDir;
use tests::remotes::Watched;
use tests::store::folder;

/// A throw of a die: another one each time.
#[derive(Config)]
pub struct Throw {
    #[selfref("number.txt")]
    pub number: SelfRef<Text>,
    #[selfref("rest.bin")]
    pub rest: SelfRef<Text>,
    /// The bytes that the second artifact has.
    pub size: usize,
}

#[stage(matcher = latest())]
pub fn throw(b: &Build<Throw>) -> Result<ThrowOutputs> {
    let number = b.number.save(&format!("{:020}", b.seed()))?;
    let rest = b.rest.save(&"0".repeat(b.size))?;
    Ok(ThrowOutputs { number, rest })
}

/// What was thrown, in words.
#[derive(Config)]
pub struct Told {
    #[selfref("told.txt")]
    pub told: SelfRef<Text>,
    #[dref]
    pub throw: DRef<Throw>,
}

#[stage]
pub fn told(b: &Build<Told>) -> Result<ToldOutputs> {
    let told = format!("it was {}", b.throw.number.load()?);
    Ok(ToldOutputs {
        told: b.told.save(&told)?,
    })
}

pub fn thrown(size: usize) -> DRef<Throw> {
    instantiate(Throw::new(size)).unwrap()
}

/// Makes a throw that is another one than the first, which has the same seed everywhere.
pub fn thrown_anew(store: &Store, size: usize) -> RRef<Throw> {
    let first = store.realize(&thrown(size)).unwrap();
    let run = Realize::new(store).force(thrown(size));
    let newest = run.run(&thrown(size)).unwrap();
    assert_ne!(first.id(), newest.id());
    newest
}

pub fn plan() -> DRef<Told> {
    instantiate(Told::new(thrown(3))).unwrap()
}

/// Ada, who made results, the folder of the remote, and Ben.
pub struct Group {
    pub folder: TempDir,
    pub ada: Store,
    pub ben: Store,
}

impl Group {
    pub fn new() -> Self {
        let folder = folder();
        let store = |name: &str| {
            let store = Store::open(folder.path().join(name)).unwrap();
            store.with_durability(Durability::None)
        };
        Group {
            ada: store("ada"),
            ben: store("ben"),
            folder,
        }
    }

    pub fn place(&self) -> PathBuf {
        self.folder.path().join("remote")
    }

    pub fn remote(&self) -> Remote {
        Remote::open(&self.place().to_string_lossy()).unwrap()
    }

    pub fn push<R: AsRef<RRefId>>(&self, rrefs: impl IntoIterator<Item = R>) {
        Push::new(&self.ada, &self.remote()).run(rrefs).unwrap();
    }

    /// Makes so many throws at Ada's.
    pub fn throws(&self, size: usize, count: usize) -> Vec<RRefId> {
        let plan = thrown(size).with_matcher(some(count));
        let made = self.ada.realize(&plan).unwrap();
        made.iter().map(|rref| rref.id().clone()).collect()
    }

    /// Ben runs a plan with the remote, and nobody watches.
    pub fn run<T: Target>(&self, plan: &T) -> (T::Output, Report) {
        let run = Realize::new(&self.ben).remote(&self.remote());
        run.run_reporting(plan).unwrap()
    }

    /// Ben runs a plan with the remote, and returns what it chose.
    pub fn ben<T: Target>(&self, plan: &T, with: &Watched) -> (T::Output, Report, Vec<String>) {
        let said = Said::default();
        let run = Realize::new(&self.ben).remote(&Remote::over(with.clone()));
        let (made, report) = run.observer(&said).run_reporting(plan).unwrap();
        (made, report, said.lines())
    }

    /// A store into which everything was pulled.
    pub fn pulled(&self, name: &str, here: &[RRefId]) -> Store {
        let store = self.with(name, here);
        Pull::new(&store, &self.remote()).run_every().unwrap();
        store
    }

    /// A store with some of what Ada has.
    pub fn with(&self, name: &str, here: &[RRefId]) -> Store {
        let store = Store::open(self.folder.path().join(name)).unwrap();
        let store = store.with_durability(Durability::None);
        store.copy_from(&self.ada, here).unwrap();
        store
    }
}

/// An observer that notes what a run says of remotes.
#[derive(Default)]
pub struct Said(Mutex<Vec<String>>);

impl Said {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for &Said {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Fetched { dref, rrefs, .. } => {
                format!("fetched {} {}", dref.name(), rrefs.len())
            }
            Event::RemoteFailed { error, is_out, .. } => format!("failed {is_out}: {error}"),
            Event::OtherCode {
                dref, results, why, ..
            } => format!("other {} {results}: {why}", dref.name()),
            Event::Carried { dref, .. } => format!("carried {}", dref.name()),
            Event::Building { dref, .. } => format!("building {}", dref.name()),
            Event::Chosen {
                dref,
                built,
                fetched: true,
                ..
            } => format!("chosen {} {built}", dref.name()),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}
