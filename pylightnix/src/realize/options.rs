//! The options of a run.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::failure::retry::RetryPolicy;
use super::report::event::{Event, Observer};
#[cfg(feature = "tracing")]
use super::report::traced;
use super::stop::cancel::Cancel;
use crate::config::{DRefId, RRefId};
use crate::plan::{Args, PlanGraph, RunArg};
use crate::store::{Store, cores};
use crate::{Error, ErrorKind, Result};

/// A run that is to be made, with its options.
///
/// ```standalone_crate
/// # use pylightnix::prelude::*;
/// # #[derive(Config)] pub struct Greeting { #[selfref("hello.txt")] pub out: SelfRef<Text> }
/// # #[stage] fn greeting(b: &Build<Greeting>) -> Result<GreetingOutputs> {
/// #     Ok(GreetingOutputs { out: b.out.save("hello\n")? })
/// # }
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let greeting = instantiate(Greeting::new())?;
/// let rref = Realize::new(&store).jobs(2).force(&greeting).run(&greeting)?;
/// assert_eq!(rref.out.load()?, "hello\n");
/// # Ok(()) }
/// ```
#[must_use = "nothing happens before `run`"]
pub struct Realize<'a> {
    pub(in crate::realize) store: Store,
    pub(in crate::realize) jobs: usize,
    pub(in crate::realize) forced: HashSet<DRefId>,
    pub(in crate::realize) force_all: bool,
    pub(in crate::realize) retry_failed: bool,
    pub(in crate::realize) keep_going: bool,
    pub(in crate::realize) trust_unknown: bool,
    /// Whether results are published: only a stub of the benchmarks does not.
    pub(in crate::realize) publishes: bool,
    /// Realizations that were made by hand for this run, which matchers see as if the stages had made them.
    pub(in crate::realize) by_hand: Vec<RRefId>,
    pub(in crate::realize) resources: Declared,
    pub(in crate::realize) cancel: Option<Cancel>,
    pub(in crate::realize) retry: RetryPolicy,
    pub(in crate::realize) args: Args,
    pub(in crate::realize) observers: Vec<Box<dyn Observer + 'a>>,
}

impl fmt::Debug for Realize<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realize")
            .field("store", &self.store)
            .field("jobs", &self.jobs)
            .field("forced", &self.forced)
            .field("keep_going", &self.keep_going)
            .finish_non_exhaustive()
    }
}

impl<'a> Realize<'a> {
    /// A run in this store, with as many jobs as the machine has processors.
    pub fn new(store: &Store) -> Self {
        Realize {
            store: store.clone(),
            jobs: cores(),
            forced: HashSet::new(),
            force_all: false,
            retry_failed: false,
            keep_going: false,
            trust_unknown: false,
            publishes: true,
            by_hand: Vec::new(),
            resources: Declared::default(),
            cancel: None,
            retry: RetryPolicy::default(),
            args: Args::default(),
            observers: Vec::new(),
        }
    }

    /// How many stages may run at once; at least 1. With 1, all run on the calling thread.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// How many threads the stages that run may keep busy together, of which each takes as many as its
    /// `#[stage(threads = n)]` says, else one. Without it, as many as the machine has processors, or as there are
    /// [`jobs`](Self::jobs) if those are more.
    ///
    /// A stage that needs more of this, of [`memory`](Self::memory) or of a [`resource`](Self::resource) than the run has
    /// fails before anything runs, unless what it made is there. Else stages wait until what they need is free, all of it
    /// at once; for the one that waits longest it is put aside, so that those that need little do not pass it for ever. Each
    /// of the `nouts` runs of a stage counts.
    pub fn threads(mut self, threads: usize) -> Self {
        self.resources.threads = Some(threads.max(1));
        self
    }

    /// How many bytes of memory the stages that run may need together, as their `#[stage(memory = "..")]` says; see
    /// [`bytes`](super::bytes). Without it, all that the machine has, or less where a container has less; on systems other
    /// than Linux, any amount. What a stage really uses is not watched.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = Some(bytes);
        self
    }

    /// How much there is of something that stages ask for with `#[stage(resources(name = n))]`: processors for graphics,
    /// licences, a device. Without it there is none.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// #[derive(Config)]
    /// pub struct Train {
    ///     pub layers: u64,
    /// }
    ///
    /// #[stage(threads = 2, memory = "100MiB", resources(gpu = 1))]
    /// fn train(b: &Build<Train>) -> Result<()> {
    ///     assert_eq!(b.threads(), 2);
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let trained = [instantiate(Train::new(4))?, instantiate(Train::new(8))?];
    /// let refused = store.realize(&trained[0]).unwrap_err();
    /// assert!(refused.to_string().ends_with("it needs 1 `gpu`, and this run has none"));
    /// // One after the other.
    /// Realize::new(&store).threads(2).resource("gpu", 1).run(&trained)?;
    /// # Ok(()) }
    /// ```
    pub fn resource(mut self, name: &str, amount: u32) -> Self {
        self.resources.named.insert(name.to_owned(), amount.into());
        self
    }

    /// Runs this stage once again, whatever is there. The matcher then chooses among old and new results. A stage that is
    /// not in the plan is an error of the run.
    pub fn force(mut self, dref: impl AsRef<DRefId>) -> Self {
        self.forced.insert(dref.as_ref().clone());
        self
    }

    /// Runs every stage of the plan once again.
    pub fn force_all(mut self) -> Self {
        self.force_all = true;
        self
    }

    /// RetryPolicy again what failed before and is a result: without this, the failure of a stage with `#[stage(fallible)]` stands
    /// until its code, its config or its dependencies change. [`force`](Self::force) tries one stage again. Where there is
    /// a success, it is taken as ever.
    pub fn retry_failed(mut self) -> Self {
        self.retry_failed = true;
        self
    }

    /// After a failure, goes on with all stages that do not depend on it. Without it, no further stage is begun.
    pub fn keep_going(mut self) -> Self {
        self.keep_going = true;
        self
    }

    /// Lets matchers see realizations of which nothing says which code made them.
    pub fn trust_unknown(mut self) -> Self {
        self.trust_unknown = true;
        self
    }

    /// Makes every run that fails again, up to `retries` times, whatever the stages say.
    ///
    /// A run fails when the stage returns an error, panics, does not keep a promise or takes too long. Each try begins in
    /// an empty folder. Before the next one it waits for 1, 2, 4, .. seconds, at most for a minute, and keeps what it needs
    /// of the machine. What the earlier tries printed is in the log of the last one, with their errors, and only the folder
    /// of the last one is kept if that fails too. The build record says how many there were.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = Some(retries);
        self
    }

    /// As [`retries`](Self::retries), for one stage. A stage that is not in the plan is an error of the run.
    pub fn retries_of(mut self, dref: impl AsRef<DRefId>, retries: u32) -> Self {
        self.retry.retries_of.insert(dref.as_ref().clone(), retries);
        self
    }

    /// How long to wait before a run is made again for the first time; each further time it is twice as long, up to a
    /// minute or to this. Without it, a second.
    pub fn retry_wait(mut self, wait: Duration) -> Self {
        self.retry.wait = wait;
        self
    }

    /// How long each try of a run may take, whatever the stages say; [`Duration::MAX`] is for ever.
    ///
    /// When the time is up, the stage is told: `b.check()?` fails, `b.cancelled()` says so, and the child processes of
    /// `b.run(..)` are asked to end. Nothing can end the thread of a stage that does not look: the run waits for it, tells
    /// observers ([`Event::Overdue`]), and does not publish what comes so late.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.retry.timeout = Some(timeout);
        self
    }

    /// As [`timeout`](Self::timeout), for one stage. A stage that is not in the plan is an error of the run.
    pub fn timeout_of(mut self, dref: impl AsRef<DRefId>, timeout: Duration) -> Self {
        self.retry.timeout_of.insert(dref.as_ref().clone(), timeout);
        self
    }

    /// How long a stage that was told to stop has for it, before its child processes are killed and observers are told.
    /// Without it, 5 seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.retry.grace = grace;
        self
    }

    /// Lets this token stop the run; its error then is of the kind [`ErrorKind::Cancelled`], and says how far it got.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Gives the stages that declare it, `#[stage(args(T))]`, a run-time argument: a verbosity, a progress bar, a token, a
    /// connection. They read it with [`b.arg::<T>()`](crate::lens::Build::arg). One of a type; the last given counts.
    ///
    /// Arguments are found by type, so give each a type of its own. A stage that may have to run and whose argument is
    /// missing fails the run before anything runs; one whose result is there needs none, and an argument that no stage
    /// takes is passed over.
    ///
    /// It is no part of the identity, of the fingerprint or of the build record: a result that was made with another
    /// argument is reused all the same. So it may say how a result is made, and must not change what comes out; what does
    /// belongs in the config.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// /// How much to say.
    /// struct Verbosity(u8);
    ///
    /// #[derive(Config)]
    /// pub struct Sum {
    ///     #[selfref("sum.json")]
    ///     pub out: SelfRef<Json<u64>>,
    ///     pub upto: u64,
    /// }
    ///
    /// #[stage(args(Verbosity))]
    /// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    ///     if b.arg::<Verbosity>().0 > 0 {
    ///         eprintln!("adding {} numbers", b.upto);
    ///     }
    ///     Ok(SumOutputs { out: b.out.save(&(0..=b.upto).sum())? })
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let plan = instantiate(Sum::new(10))?;
    /// let missing = store.realize(&plan).unwrap_err();
    /// assert!(missing.to_string().contains("stage `sum` takes the run-time argument"));
    ///
    /// let sum = Realize::new(&store).arg(Verbosity(0)).run(&plan)?;
    /// assert_eq!(sum.out.load()?, 55);
    /// # Ok(()) }
    /// ```
    pub fn arg<T: RunArg>(mut self, value: T) -> Self {
        self.args.insert(value);
        self
    }

    /// Tells `observer` what happens.
    pub fn observer(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Returns the plan, if it has all stages that the options name.
    pub(in crate::realize) fn checked(&self, graph: PlanGraph) -> Result<PlanGraph> {
        let named = self.retry.named();
        if let Some(dref) = named.filter(|dref| graph.place(dref).is_none()).min() {
            let message = format!("{dref} has limits in this run, but is not in the plan");
            return Err(Error::new(ErrorKind::Plan, message).help(
                "name a stage that the target depends on, with the config that it has there",
            ));
        }
        match self
            .forced
            .iter()
            .filter(|dref| graph.place(dref).is_none())
            .min()
        {
            Some(dref) => Err(Error::new(
                ErrorKind::Plan,
                format!("{dref} is to be forced, but is not in the plan"),
            )
            .help("force a stage that the target depends on, with the config that it has there")),
            None => Ok(graph),
        }
    }

    pub(in crate::realize) fn tell(&self, event: &Event<'_>) {
        #[cfg(feature = "tracing")]
        traced::say(event);
        for observer in &self.observers {
            observer.event(event);
        }
    }

    pub(in crate::realize) fn mode(&self, dref: &DRefId) -> Mode {
        match () {
            () if self.is_forced(dref) => Mode::Forced,
            () if self.retry_failed => Mode::Retry,
            () => Mode::Usual,
        }
    }

    pub(in crate::realize) fn is_forced(&self, dref: &DRefId) -> bool {
        self.force_all || self.forced.contains(dref)
    }
}

/// The resources that a run was told it has.
#[derive(Default)]
pub(in crate::realize) struct Declared {
    pub(in crate::realize) threads: Option<usize>,
    pub(in crate::realize) memory: Option<u64>,
    pub(in crate::realize) named: BTreeMap<String, u64>,
}

/// How the results in the store count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum Mode {
    /// Results count.
    Usual,
    /// Results count, and failures are tried again.
    Retry,
    /// Results are passed over.
    Forced,
    /// Results count, and no run is due: all were just made.
    Made,
}
