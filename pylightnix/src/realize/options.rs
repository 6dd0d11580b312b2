//! The options of a run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::decide::trusted::Trusting;
use super::failure::retry::RetryPolicy;
use super::lookup::remotes::Remotes;
use super::orders::dispatch::{Dispatcher, RunFolderOf};
use super::orders::order::{OrderHere, Origin};
use super::orders::runs_on::{Host, RunsOn};
use super::processes::{Processes, worker};
use super::report::event::{Event, Observer};
use super::report::memory_guard::MemoryGuard;
use super::report::taken::AlreadyChosen;
use super::report::titles::Titles;
#[cfg(feature = "tracing")]
use super::report::traced;
use super::resources::units::{UnitNames, check_units};
use super::stage_params::StageParams;
use super::stop::cancel::Cancel;
use crate::config::{DRefId, RRefId};
use crate::keys::Trust;
use crate::plan::{AnyDRef, AnyNode, Args, Counts, Limits, PlanGraph, RunArg, Sealing};
use crate::store::remote::{Remote, use_in_runs};
use crate::store::{Store, cores};
use crate::{Error, ErrorKind, Result};

/// Returns the stages of a plan that are to be forced.
type ForcedIn = Box<dyn Fn(&Titles) -> Vec<DRefId> + Send + Sync>;

/// A run with its options.
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
    /// Which signatures results need, if any.
    trusting: Option<Arc<Trusting>>,
    /// Whether results of other contexts count if all that was read is the same.
    pub(in crate::realize) cut_off: bool,
    /// Whether results are published; only a stub for benchmarks does not publish.
    pub(in crate::realize) publishes: bool,
    /// What counts of the environment for all stages.
    pub(in crate::realize) counts: BTreeSet<Counts>,
    /// The choices that the run made before, for questions that were asked while its plan was made.
    pub(in crate::realize) given: AlreadyChosen,
    /// The parameters that build records tell.
    pub(in crate::realize) params: StageParams,
    /// Finds further stages to force in each plan.
    pub(in crate::realize) forced_in: Option<ForcedIn>,
    /// Realizations made by hand, which count as current in this run.
    pub(in crate::realize) by_hand: Vec<RRefId>,
    pub(in crate::realize) resources: DeclaredResources,
    pub(in crate::realize) cancel: Option<Cancel>,
    pub(in crate::realize) retry: RetryPolicy,
    pub(in crate::realize) args: Args,
    pub(in crate::realize) observers: Vec<Box<dyn Observer + 'a>>,
    /// The processes that stages run in, if not on threads of this one.
    pub(in crate::realize) processes: Option<Processes>,
    /// What builds are handed to, if they leave this program.
    pub(in crate::realize) dispatcher: Option<Arc<Dispatcher>>,
    /// Returns the folder of the run, for its orders.
    pub(in crate::realize) run_folder: Option<RunFolderOf>,
    /// What build records tell of the program that ordered the builds, if that is another one.
    pub(in crate::realize) origin: Option<Origin>,
    /// The order that this process carries out, if it is a task.
    pub(in crate::realize) order: Option<OrderHere>,
    /// Whether all stages are sealed, whatever they say.
    pub(in crate::realize) all_sealed: bool,
    /// Whether only what was made sealed counts.
    pub(in crate::realize) only_sealed: bool,
    /// What starts a process for each run of a sealed stage.
    pub(in crate::realize) sandboxes: Processes,
    /// Whether stages in processes are kept to the memory that they declare. What started a task does that itself.
    pub(in crate::realize) limits_memory: bool,
    /// What observers were told to keep limits of memory.
    pub(in crate::realize) told_guards: Mutex<BTreeSet<MemoryGuard>>,
    /// The remotes that are asked before a stage is built.
    remotes: Option<Box<Remotes>>,
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
    /// Creates a run in this store, with as many jobs as the machine has processors.
    pub fn new(store: &Store) -> Self {
        Realize {
            store: store.clone(),
            jobs: cores(),
            forced: HashSet::new(),
            force_all: false,
            retry_failed: false,
            keep_going: false,
            trust_unknown: false,
            trusting: None,
            cut_off: true,
            publishes: true,
            counts: BTreeSet::new(),
            given: AlreadyChosen::new(),
            params: StageParams::default(),
            forced_in: None,
            by_hand: Vec::new(),
            resources: DeclaredResources::default(),
            cancel: None,
            retry: RetryPolicy::default(),
            args: Args::default(),
            observers: Vec::new(),
            processes: None,
            dispatcher: None,
            run_folder: None,
            origin: None,
            order: None,
            all_sealed: false,
            only_sealed: false,
            sandboxes: Processes::new(),
            limits_memory: true,
            told_guards: Mutex::default(),
            remotes: None,
        }
    }

    /// Sets the number of stages that may run at once, at least 1. With 1, all stages run on the calling thread.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Sets the number of threads that all running stages may use together. A stage uses as many as its `#[stage(threads =
    /// n)]` declares, 1 by default. The default is the number of processors, or the number of [`jobs`](Self::jobs) if that
    /// is larger.
    ///
    /// A stage that needs more of this, of [`memory`](Self::memory) or of a [`resource`](Self::resource) than the run has
    /// fails before any stage runs, unless its result exists. Otherwise stages wait until everything that they need is free
    /// at once. Resources are set aside for the stage that waits longest, so that stages with small needs do not overtake it
    /// forever. Each of the `nouts` runs of a stage counts.
    pub fn threads(mut self, threads: usize) -> Self {
        self.resources.threads = Some(threads.max(1));
        self
    }

    /// Sets the memory, in bytes, that all running stages may need together, as their `#[stage(memory = "..")]` declares;
    /// see [`parse_bytes`](super::parse_bytes). The default is the memory of the machine, or of its container if that is less; on
    /// systems other than Linux it is unlimited.
    ///
    /// On threads, nothing keeps a stage to what it declares. In a [process of its own](Self::on), or [sealed](Self::sealed), it is killed
    /// when it uses more, with all that it started, and fails alone; [`Event::MemoryLimited`] tells how. What the program held
    /// before the stage does not count. The most that it held is in the build record
    /// ([`BuildRecord::peak_memory`](crate::store::BuildRecord::peak_memory)).
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = Some(bytes);
        self
    }

    /// Declares the available amount of a resource that stages request with `#[stage(resources(name = n))]`: GPUs, licences,
    /// a device. The default is 0.
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
        self.resources.units.remove(name);
        self
    }

    /// Declares the units of a resource by their names, in place of an [amount](Self::resource): the GPUs 0 to 3, two devices. A
    /// stage with `#[stage(resources(gpu = n))]` gets `n` of them, which are its own while it runs: it asks for them with
    /// [`b.units("gpu")`](crate::lens::Build::units), and its child processes find those of `gpu` in `CUDA_VISIBLE_DEVICES`.
    ///
    /// A run fails before any stage runs if a name is empty, is there twice, or has a comma in it.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// #[derive(Config)]
    /// pub struct Train {
    ///     #[selfref("on.json")]
    ///     pub on: SelfRef<Json<Vec<String>>>,
    ///     pub layers: u64,
    /// }
    ///
    /// #[stage(resources(gpu = 2))]
    /// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    ///     Ok(TrainOutputs { on: b.on.save(&b.units("gpu"))? })
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let run = Realize::new(&store).resource_units("gpu", ["4", "5", "7"]);
    /// assert_eq!(run.run(&instantiate(Train::new(8))?)?.on.load()?, ["4", "5"]);
    /// # Ok(()) }
    /// ```
    pub fn resource_units<U: Into<String>>(
        mut self,
        name: &str,
        units: impl IntoIterator<Item = U>,
    ) -> Self {
        let units: Arc<[String]> = units.into_iter().map(Into::into).collect();
        let amount = units.len() as u64;
        self.resources.named.insert(name.to_owned(), amount);
        self.resources.units.insert(name.to_owned(), units);
        self
    }

    /// Runs this stage again even if it has current results. The matcher then chooses among old and new results. The run
    /// fails if the stage is not in the plan.
    pub fn force(mut self, dref: impl AsRef<DRefId>) -> Self {
        self.forced.insert(dref.as_ref().clone());
        self
    }

    /// Runs the stages again that `which` names in a plan: in those of questions, which are made one after the other, and in the
    /// final one.
    #[doc(hidden)]
    pub fn force_in(
        mut self,
        which: impl Fn(&Titles) -> Vec<DRefId> + Send + Sync + 'static,
    ) -> Self {
        self.forced_in = Some(Box::new(which));
        self
    }

    /// Runs every stage of the plan again.
    pub fn force_all(mut self) -> Self {
        self.force_all = true;
        self
    }

    /// Retries recorded failures. By default, the failure of a stage with `#[stage(fallible)]` stays valid until its code,
    /// its config or its dependencies change. To retry a single stage, use [`force`](Self::force). A success is reused as
    /// usual.
    pub fn retry_failed(mut self) -> Self {
        self.retry_failed = true;
        self
    }

    /// Continues after a failure with all stages that do not depend on it. By default, no further stage begins.
    pub fn keep_going(mut self) -> Self {
        self.keep_going = true;
        self
    }

    /// Accepts realizations whose code is unknown as candidates.
    pub fn trust_unknown(mut self) -> Self {
        self.trust_unknown = true;
        self
    }

    /// Runs each stage whose dependencies have other realizations than before, whatever it reads of them.
    ///
    /// By default, a stage does not run if all that it read of its dependencies is the same in their new realizations: its
    /// results are carried, that is published with the new context, by links within the store. The build records tell what was
    /// read.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// #[derive(Config)]
    /// pub struct Clean {
    ///     #[selfref("table.csv")]
    ///     pub table: SelfRef<Text>,
    ///     #[selfref("log.txt")]
    ///     pub log: SelfRef<Text>,
    /// }
    ///
    /// #[stage]
    /// fn clean(b: &Build<Clean>) -> Result<CleanOutputs> {
    ///     Ok(CleanOutputs { table: b.table.save("1,2")?, log: b.log.save(&b.start().to_string())? })
    /// }
    ///
    /// #[derive(Config)]
    /// pub struct Sum {
    ///     #[selfref("sum.json")]
    ///     pub out: SelfRef<Json<i64>>,
    ///     #[dref]
    ///     pub clean: DRef<Clean>,
    /// }
    ///
    /// #[stage]
    /// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    ///     let numbers = b.clean.table.load()?;
    ///     let numbers: Result<Vec<i64>, _> = numbers.split(',').map(str::parse).collect();
    ///     Ok(SumOutputs { out: b.out.save(&numbers?.iter().sum())? })
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let clean = instantiate(Clean::new())?.latest();
    /// let sum = instantiate(Sum::new(clean.clone()))?;
    /// store.realize(&sum)?;
    /// // `clean` runs again, with another log, and `sum` does not: it read the table alone.
    /// let (_, report) = Realize::new(&store).force(&clean).run_reporting(&sum)?;
    /// assert_eq!((report.built, report.carried), (1, 1));
    /// let (_, report) = Realize::new(&store).force(&clean).no_cut_off().run_reporting(&sum)?;
    /// assert_eq!((report.built, report.carried), (2, 0));
    /// # Ok(()) }
    /// ```
    pub fn no_cut_off(mut self) -> Self {
        self.cut_off = false;
        self
    }

    /// Lets something of the environment count as code does, for all stages of this run: a result that was made in another one is
    /// stale. Other calls add to it. It is as if each stage had it in `#[stage(counts(..))]`, and results that were made with that
    /// are current here.
    ///
    /// The version of a crate counts for the stages of the packages whose `Cargo.lock` has it.
    ///
    /// A run fails if something is not known for a stage: the features of a package whose manifest was not found, or the version
    /// of a crate for a realizer that the plan gives; and if a crate is in no `Cargo.lock` of the plan's packages.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    /// use pylightnix::realize::Counts;
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let plan = instantiate(Sum::new())?;
    /// store.realize(&plan)?;
    /// let run = Realize::new(&store).counts([Counts::Rustc, Counts::Profile]);
    /// // What the first result was made with did not count.
    /// assert!(run.realized(&plan).is_err());
    /// run.run(&plan)?;
    /// assert!(run.realized(&plan).is_ok());
    /// # Ok(()) }
    /// ```
    pub fn counts(mut self, counts: impl IntoIterator<Item = Counts>) -> Self {
        self.counts.extend(counts);
        self
    }

    /// Retries every failing run up to `retries` times, overriding the stages' own limits.
    ///
    /// A run fails if the stage returns an error, panics, breaks a promise or exceeds its time limit. Each attempt begins in
    /// an empty folder, after a wait of 1, 2, 4, .. seconds, at most a minute, during which the run keeps its resources. The
    /// log of the last attempt contains the output and the errors of the earlier ones; if the last attempt fails too, only
    /// its folder is kept. The build record contains the number of attempts.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retry.retries = Some(retries);
        self
    }

    /// Sets [`retries`](Self::retries) for one stage. The run fails if the stage is not in the plan.
    pub fn retries_of(mut self, dref: impl AsRef<DRefId>, retries: u32) -> Self {
        self.retry.retries_of.insert(dref.as_ref().clone(), retries);
        self
    }

    /// Sets the wait before the first retry. It doubles with each retry, up to a minute, or to this wait if it is longer.
    /// The default is one second.
    pub fn retry_wait(mut self, wait: Duration) -> Self {
        self.retry.wait = wait;
        self
    }

    /// Sets the time limit of each attempt, overriding the stages' own limits; [`Duration::MAX`] means no limit.
    ///
    /// When the time is up, the stage is told to stop: `b.check()?` fails, `b.cancelled()` returns `true`, and the child
    /// processes of `b.run(..)` get `SIGTERM`. The thread of a stage that does not check cannot be stopped: the run waits
    /// for it, notifies observers ([`Event::Overdue`]), and does not publish its late result. One that runs in a [process of its
    /// own](Self::on) is killed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.retry.timeout = Some(timeout);
        self
    }

    /// Sets [`timeout`](Self::timeout) for one stage. The run fails if the stage is not in the plan.
    pub fn timeout_of(mut self, dref: impl AsRef<DRefId>, timeout: Duration) -> Self {
        self.retry.timeout_of.insert(dref.as_ref().clone(), timeout);
        self
    }

    /// Sets the time that a stage has to stop, before its child processes are killed and observers are notified. The default
    /// is 5 seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.retry.grace = grace;
        self
    }

    /// Lets this token cancel the run. The run then fails with [`ErrorKind::Cancelled`], and the error tells how far it got.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Gives a run-time argument to the stages that declare it with `#[stage(args(T))]`: a verbosity, a progress bar, a
    /// token, a connection. They read it with [`b.arg::<T>()`](crate::lens::Build::arg). There is one argument of each type;
    /// a later one replaces an earlier one.
    ///
    /// Arguments are identified by their types, so give each a type of its own. A run fails before any stage runs if an
    /// argument of a stage that may have to run is missing. A stage that is reused needs no arguments, and arguments that no
    /// stage declares are ignored.
    ///
    /// An argument is not part of the identity, the fingerprint or the build record: a result is reused even if it was made
    /// with another argument. So an argument may control how a result is made, but must not change the result; anything that
    /// does belongs in the config.
    ///
    /// ```standalone_crate
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

    /// Runs stages elsewhere: in [`Processes`] of their own, so that a stage that aborts, or that is killed, fails alone, and that a
    /// time limit ends also a stage that does not look; as jobs of [`Slurm`](super::Slurm); or by another [`Executor`](super::Executor).
    /// What a stage prints is in its log.
    ///
    /// A process is this program with the same arguments, which makes the plan again: programs with
    /// `pylightnix_cli::main` do so by themselves, others call [`worker`](crate::worker) first in `main`. A run fails before any stage
    /// runs if the program did not. What a stage leaves running when it ends is ended with it. Matchers choose in this process, and [`file`](crate::stages::file()) and
    /// [`fetch_url`](crate::stages::fetch_url()) run here.
    pub fn on(mut self, place: impl Into<RunsOn>) -> Self {
        (self.processes, self.dispatcher) = match place.into().0 {
            Host::Processes(processes) => (Some(processes), None),
            Host::Executor(dispatcher) => (None, Some(dispatcher)),
        };
        self
    }

    /// Has the orders of the run written to its folder, which `folder` returns when the first stage is built.
    #[doc(hidden)]
    pub fn orders_in(
        mut self,
        folder: impl Fn() -> Option<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        self.run_folder = Some(Arc::new(folder));
        self
    }

    /// Returns what the builds of a stage are handed to, if they leave this program.
    pub(in crate::realize) fn elsewhere(&self, stage: &AnyDRef) -> Option<&Arc<Dispatcher>> {
        let dispatcher = self.dispatcher.as_ref()?;
        stage.node().leaves_the_process().then_some(dispatcher)
    }

    /// Seals all stages of this run, as if each said `#[stage(sealed)]`: nothing that they read from outside goes unseen.
    ///
    /// Each run of a sealed stage has a process of its own, also if the others run on threads. It may read what is reached from its
    /// context, what the stage declares with `read("/data/x")`, and the programs and libraries of the system; it may write its output
    /// and its [scratch folder](crate::lens::Build::scratch). It has no network, unless the stage says `network`. What else it
    /// opens is refused, and the error names the path. The build record of the result says that it was sealed.
    ///
    /// Stages of the library, such as [`file`](crate::stages::file()), count as sealed, since what they read is in their
    /// configs. Whether a stage is sealed is not part of its identity.
    ///
    /// A run fails before any stage runs if a sealed stage has to run and this cannot be: the program does not call
    /// [`worker`](crate::worker) (see [`on`](Self::on)), or the system cannot seal a process, as Linux before 6.2 and macOS.
    ///
    /// ```no_run,standalone_crate
    /// use pylightnix::prelude::*;
    /// # #[derive(Config)] struct Sum { #[selfref("sum.json")] out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    ///
    /// fn experiment(_: &Run<'_>) -> Result<DRef<Sum>> {
    ///     Ok(instantiate(Sum::new())?)
    /// }
    ///
    /// fn main() -> Result<()> {
    ///     pylightnix::worker(experiment)?; // before anything that starts threads
    ///     let store = Store::open("_store")?;
    ///     let sum = Realize::new(&store).sealed().evaluate(experiment)?;
    ///     assert!(sum.builds().iter().any(|build| build.sealed));
    ///     // Nothing runs: this result was made sealed.
    ///     Realize::new(&store).only_sealed().evaluate(experiment)?;
    ///     Ok(())
    /// }
    /// ```
    pub fn sealed(mut self) -> Self {
        self.all_sealed = true;
        self
    }

    /// Takes only results that were made [sealed](Self::sealed): others do not count, as if they were stale. What has to run is
    /// sealed.
    pub fn only_sealed(mut self) -> Self {
        self.only_sealed = true;
        self
    }

    /// Takes only results that these keys signed: others do not count, as if they were stale, and what this run builds it signs. Asked
    /// are the builds and acceptances by today's code, in which each key counts once. What the own key signed is enough by itself,
    /// unless the trust is [strict](Trust::strict).
    ///
    /// ```standalone_crate
    /// use pylightnix::keys::{Keys, Trust};
    /// use pylightnix::prelude::*;
    ///
    /// #[derive(Config)]
    /// struct Sum {
    ///     #[selfref("sum.json")]
    ///     out: SelfRef<Json<u32>>,
    /// }
    ///
    /// #[stage]
    /// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    ///     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let (alice, bob) = (Keys::at(folder.path().join("alice")), Keys::at(folder.path().join("bob")));
    /// # let store = Store::open(folder.path().join("store"))?.with_keys(alice.clone());
    /// alice.generate("me")?;
    /// # bob.generate("bob")?;
    /// alice.trust("bob", &bob.named("bob")?.key.to_pem())?;
    /// let plan = instantiate(Sum::new())?;
    /// let trust = Trust::new(&alice, 1, ["bob"])?;
    /// // Nothing that Bob signed is here, so it is built, and signed with the own key.
    /// let sum = Realize::new(&store).trust(trust).run(&plan)?;
    /// assert!(store.signatures(&sum)?[0].is_valid);
    /// # Ok(()) }
    /// ```
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trusting = Some(Arc::new(Trusting::new(&self.store, trust)));
        self
    }

    /// Asks for no signatures.
    pub(in crate::realize) fn trusts_all(&mut self) {
        self.trusting = None;
    }

    /// Returns which signatures results need, if any.
    pub(in crate::realize) fn trusting(&self) -> Option<&Trusting> {
        self.trusting.as_deref()
    }

    /// Takes results from a remote: before a stage is built, the remote is asked for results of the same derivation, made from the same
    /// results of its dependencies, by the code of today. Further calls add remotes, which are asked in their order.
    ///
    /// A run that has nothing to build asks nothing. The matcher chooses among what is here and what remotes have, and only what it
    /// takes is published here, verified as by [`Pull`](crate::store::remote::Pull). Failures are not taken. What the run asks of
    /// [signatures](Self::trust) holds for these results, too. A remote that cannot be read, or that is silent for 10 seconds, counts as
    /// one that has nothing; after three such failures it is not asked again in this run. Stages that run
    /// [elsewhere](Self::on) never ask: this process does.
    ///
    /// Closures of matchers read artifacts: those of all candidates are fetched before, up to 64 MiB together, or what the matcher
    /// [names](crate::plan::matcher::Matcher::reads).
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::remote::{Push, Remote};
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>>, pub upto: u64 }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(0..=b.upto).sum())? })
    /// # }
    ///
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let shared = folder.path().join("shared").to_string_lossy().into_owned();
    /// # let (ada, ben) = (Store::open(folder.path().join("ada"))?, Store::open(folder.path().join("ben"))?);
    /// let plan = instantiate(Sum::new(100))?;
    /// let made = ada.realize(&plan)?;
    /// Push::new(&ada, &Remote::open(&shared)?).run([&made])?;
    ///
    /// let run = Realize::new(&ben).remote(&Remote::open(&shared)?);
    /// let (taken, report) = run.run_reporting(&plan)?;
    /// assert_eq!((taken.id(), report.built, report.fetched), (made.id(), 0, 1));
    /// # Ok(()) }
    /// ```
    pub fn remote(mut self, remote: &Remote) -> Self {
        let of_run = self.remotes.get_or_insert_default().add(remote);
        use_in_runs(&self.store, &of_run);
        self
    }

    /// Asks the [remotes](Self::remote) also for stages with results in the store: for `latest()`, which takes a newer one from there.
    pub fn remote_always(mut self) -> Self {
        self.remotes.get_or_insert_default().always = true;
        self
    }

    /// Returns the remotes that are asked, if there are any.
    pub(in crate::realize) fn remotes(&self) -> Option<&Remotes> {
        self.remotes.as_deref().filter(|remotes| remotes.are_some())
    }

    /// Adds an observer of the run's events.
    pub fn observer(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Returns the plan, after checking the options, and that it has all stages that they name.
    pub(in crate::realize) fn checked(&self, graph: PlanGraph) -> Result<PlanGraph> {
        self.check_resources()?;
        let is_elsewhere =
            |dref: &&DRefId| graph.place(dref).is_none() && !self.given.contains_key(*dref);
        if let Some(dref) = self.retry.named().filter(is_elsewhere).min() {
            let message = format!("{dref} has limits in this run, but is not in the plan");
            return Err(Error::new(ErrorKind::Plan, message).with_help(
                "name a stage that the target depends on, with the config that it has there",
            ));
        }
        match self.forced.iter().filter(is_elsewhere).min() {
            Some(dref) => Err(Error::new(
                ErrorKind::Plan,
                format!("{dref} is to be forced, but is not in the plan"),
            )
            .with_help(
                "force a stage that the target depends on, with the config that it has there",
            )),
            None => Ok(graph),
        }
    }

    /// Checks what the run says of resources, and of processes.
    pub(in crate::realize) fn check_resources(&self) -> Result<()> {
        if self.processes.is_some() || self.dispatcher.is_some() {
            worker::check()?;
        }
        check_units(&self.resources.units)
    }

    /// Returns what a stage may reach if it is sealed in this run.
    pub(in crate::realize) fn sealing(&self, node: &dyn AnyNode) -> Option<Sealing> {
        if !node.leaves_the_process() {
            return None;
        }
        let all = self.all_sealed || self.only_sealed;
        node.sealing().or_else(|| all.then(Sealing::default))
    }

    /// Returns how much memory a run of a stage may use in a process of its own, if that is limited.
    pub(in crate::realize) fn memory_limit(&self, limits: &Limits) -> Option<u64> {
        (self.limits_memory && limits.memory > 0).then_some(limits.memory)
    }

    /// Tells observers what keeps limits of memory, once.
    pub(in crate::realize) fn tell_guard(&self, guard: MemoryGuard) {
        let mut told = self
            .told_guards
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = told.insert(guard);
        drop(told);
        if is_new {
            self.notify(&Event::MemoryLimited { guard });
        }
    }

    pub(in crate::realize) fn notify(&self, event: &Event<'_>) {
        #[cfg(feature = "tracing")]
        traced::say(event);
        for observer in &self.observers {
            observer.event(event);
        }
    }

    pub(in crate::realize) fn policy(&self, dref: &DRefId) -> ReusePolicy {
        match () {
            () if self.is_forced(dref) => ReusePolicy::Forced,
            () if self.retry_failed => ReusePolicy::Retry,
            () => ReusePolicy::Usual,
        }
    }

    pub(in crate::realize) fn is_forced(&self, dref: &DRefId) -> bool {
        self.force_all || self.forced.contains(dref)
    }
}

/// The resources that the user declared for the run.
#[derive(Default)]
pub(in crate::realize) struct DeclaredResources {
    pub(in crate::realize) threads: Option<usize>,
    pub(in crate::realize) memory: Option<u64>,
    pub(in crate::realize) named: BTreeMap<String, u64>,
    /// The names of the units of resources, for those whose units have names.
    pub(in crate::realize) units: UnitNames,
}

/// How existing results count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum ReusePolicy {
    /// Results count.
    Usual,
    /// Successes count, and failures are retried.
    Retry,
    /// Existing results do not count.
    Forced,
    /// Results count, and no run is due, because all were just made.
    Made,
}
