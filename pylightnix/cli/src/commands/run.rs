//! `run`: realizes the targets of a program.

use clap::builder::ValueParser;
use clap::{ArgMatches, Args as _, FromArgMatches as _};
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::exit::{CommandError, CommandResult, Exit};
use crate::experiment::Experiment;
use crate::forced::Forced;
use crate::interrupt::{CancelWatch, Leaving};
use crate::journal::Journal;
use crate::remotes::RemoteArgs;
use crate::session::{Session, style};
use crate::stages::{Stages, experiment_of, looking};
use crate::trust::{TrustArgs, trusting};
use crate::values::{On, Resource};
use crate::watch::{ProgressKind, RunProgress};
use crate::{complete, driver, interrupt, values};
use pylightnix::config::RRefId;
use pylightnix::experiment::{Answer, Answers, Run as Asked};
use pylightnix::internal::is_refused_to_write;
use pylightnix::lens::AnyRRef;
use pylightnix::realize::{Cancel, Processes, Realize, Report, Slurm};
use pylightnix::store::{RootRun, RunFolder, Store, TargetResults};
use pylightnix::{Error, ErrorKind};

/// Realize the targets: reuse results in the store, build what is missing
///
/// Use it when you want the results. Those that were made by the current code are reused; for the others, the stages run.
/// The references of the results are printed, each with the folder of its artifacts. Ctrl-C stops the running stages;
/// finished results stay. In a run on Slurm it asks first whether to leave the run going. `gc` keeps the result of each target until a later run gives another one: see `roots`.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(
    after_help = "Example: run four stages at a time, continue after failures, and build `train` again\n  \
    ./experiment run --jobs 4 --keep-going --force train"
)]
pub(crate) struct Run {
    /// Targets of this program, or stages of its plan [default: the first target]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    #[command(flatten)]
    options: Options,
}

// The options of a run. Not a doc comment: clap would show it as the description of the program.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(crate) struct Options {
    /// How many stages may run at once [default: the number of processors]
    #[arg(long, short, value_name = "COUNT")]
    jobs: Option<usize>,
    /// After a failure, continue with all stages that do not depend on it
    #[arg(long, short)]
    keep_going: bool,
    /// Run this stage again even if it has a result: a name or a reference; may be repeated
    #[arg(long, short, value_name = "STAGE", add = complete::stages())]
    force: Vec<String>,
    /// Run every stage again
    #[arg(long)]
    force_all: bool,
    /// First, accept the stale results of this stage although its code changed; may be repeated
    #[arg(long, value_name = "STAGE", add = complete::stages())]
    accept: Vec<String>,
    /// First, accept all stale results
    #[arg(long)]
    accept_all: bool,
    /// Let matchers see results whose code is not recorded
    #[arg(long)]
    trust_unknown: bool,
    /// Run stages again whose recorded result is a failure
    #[arg(long)]
    retry_failed: bool,
    /// Run each stage whose dependencies have other results than before, whatever it reads of them
    #[arg(long)]
    no_cut_off: bool,
    /// Where the code of stages runs
    #[arg(long, value_name = "WHERE", default_value = "threads", value_parser = ValueParser::new(values::on), add = complete::places(), long_help = ON)]
    on: On,
    /// With `--on slurm`: how long a task takes at least, if there are enough short stages to share it [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pack: Option<Duration>,
    /// With `--on slurm`: how many tasks may be in the queue at once [default: 200]
    #[arg(long, value_name = "COUNT")]
    at_most: Option<usize>,
    /// Leave the terminal: the run goes on by itself, and `attach` shows it; `job`: as a job of Slurm
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "session"
    )]
    detach: Option<Detach>,
    /// Seal all stages: each runs in a process that can read nothing but its dependencies and what it declares
    #[arg(long)]
    sealed: bool,
    /// Reuse only results that were made sealed, and seal what has to run
    #[arg(long)]
    only_sealed: bool,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    remotes: Box<RemoteArgs>,
    /// How many threads all stages together may use
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,
    /// How much memory all stages together may use, as in `8GiB`
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    memory: Option<u64>,
    /// What there is of a resource that stages need: an amount, as in `gpu=2`, or its units, as in `gpu=0,1`; may be repeated
    #[arg(long, value_name = "NAME=COUNT", value_parser = values::resource)]
    resource: Vec<Resource>,
    /// How long each try of a stage may take, as in `90s` or `1h 30m`
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    timeout: Option<Duration>,
    /// How long a stage may take to stop after it was told to, as in `10s`
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    grace: Option<Duration>,
    /// How many times a failed stage is tried again
    #[arg(long, value_name = "COUNT")]
    retries: Option<u32>,
    /// Make a link to the result, which keeps it; the links of further results end in `-2`, `-3`, ..
    #[arg(long, short = 'o', value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    link: Option<PathBuf>,
    /// Run as an earlier run did, with its arguments and in its folder: the beginning of an identifier, or `-1` for the newest
    #[arg(long, value_name = "RUN", allow_hyphen_values = true)]
    again: Option<String>,
    /// How to show progress
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: ProgressKind,
    /// Show only failures and results; the same as `--progress none`
    #[arg(long, short, conflicts_with = "progress")]
    quiet: bool,
}

/// Where the process of a run is that leaves the terminal.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Detach {
    /// On this machine, in a session of its own
    Session,
    /// On the cluster, as a job of one processor
    Job,
}

/// The JSON answer of a run that left the terminal.
#[derive(Serialize)]
struct Detached {
    run: String,
    folder: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

/// The help of `--on`.
const ON: &str = "Where the code of stages runs: `threads` of this process; `processes` of their own, so that a stage that aborts or is \
    killed fails alone; or `slurm`, as jobs of a cluster whose machines see the store, `slurm:PARTITION` to name a partition";

/// The JSON answer.
#[derive(Serialize)]
struct Results {
    results: Vec<ResultOf>,
    report: Report,
}

#[derive(Serialize)]
struct ResultOf {
    rref: RRefId,
    /// The label that distinguishes its stage from others with its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<PathBuf>,
}

impl Run {
    /// Adds the options, without the targets, to a command.
    pub(crate) fn augment_options(command: clap::Command) -> clap::Command {
        Options::augment_args(command)
    }

    /// Creates a run of the first target.
    pub(crate) fn from_options(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Run {
            targets: Vec::new(),
            options: Options::from_arg_matches(matches)?,
        })
    }

    /// Returns the words for targets and stages.
    pub(crate) fn targets(&self) -> &[String] {
        &self.targets
    }

    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let experiment = experiment_of(session)?;
        // A parameter that is not valid is told before anything else happens.
        experiment.points()?;
        let store = session.store_or_new()?;
        if let Some(run) = &self.options.again {
            return again(session, experiment, &store.run_named(run)?);
        }
        // Checked before a run that may take hours; the number of links is not known before the plan is made.
        for path in self.options.links(1) {
            store.check_link(path)?;
        }
        let names = match self.targets.is_empty() {
            true => experiment.names().take(1).map(str::to_owned).collect(),
            false => self.targets.clone(),
        };
        if let (Some(how), false) = (self.options.detach, driver::is_driver()) {
            return self
                .options
                .leave_terminal(session, experiment, &names, how);
        }
        self.options.accept(session, experiment, &self.targets)?;
        let shown = match self.options.quiet {
            true => ProgressKind::None,
            false => self.options.progress,
        };
        let progress = RunProgress::new(session, store, shown);
        let forced = Forced::new(&self.options.force);
        let resumed = driver::resumed(store)?;
        let answers = resumed.as_ref().map(|(_, answers)| answers.clone());
        let journal = Journal::begin(store, experiment.program(), &names, resumed);
        let cancel = self.options.cancel(session, store, &progress, &journal)?;
        let run = self.options.realize(session, experiment)?.cancel(&cancel);
        let watched = CancelWatch::begin(&journal, &cancel);
        let run = forced.set(run);
        let run = run
            .observer(progress.observer())
            .observer(journal.observer());
        let place = journal.clone();
        let run = run.orders_in(move || place.folder());
        let told = journal.clone();
        let run = match answers {
            Some(answers) => Asked::resuming(run, answers),
            None => Asked::new(run),
        };
        let run = run.telling(move |target, answer| told.answered(target, answer));
        let failed = |progress: RunProgress, error: Error| {
            journal.ended(Err(&error.to_string()));
            progress.failed(session, error)
        };
        let stages = match Stages::of(experiment, &run, &self.targets) {
            Ok(stages) => stages,
            // A question could not be answered, or the plan not be made.
            Err(CommandError::Error(error)) => return Err(failed(progress, error)),
            Err(fault) => {
                journal.ended(Err(&fault.report().unwrap_or_default()));
                progress.stop();
                return Err(fault);
            }
        };
        let ready = || -> CommandResult<()> {
            for path in self.options.links(stages.wanted.len()) {
                store.check_link(path)?;
            }
            forced.expect_all(&stages)
        };
        if let Err(fault) = ready() {
            progress.stop();
            return Err(fault);
        }
        let (results, report) = match run.finish(&stages.wanted) {
            Ok(done) => done,
            Err(error) => return Err(failed(progress, error)),
        };
        journal.ended(Ok(&report));
        drop(watched);
        progress.done(session, &report);
        keep(session, experiment, &stages, &results, &run.answers())?;
        let rrefs = results.into_iter().flatten().map(|rref| rref.id().clone());
        let results = self
            .options
            .link_results(session, &stages, rrefs.collect())?;
        let results = Results { results, report };
        session.print(&results, |results, out| {
            for result in &results.results {
                let shown = result.link.as_ref().unwrap_or(&result.path);
                let rref = session.paint(style::REFERENCE, &result.rref);
                let label = result.label.iter().map(|label| format!("  {label}"));
                let label: String = label.collect();
                writeln!(out, "{rref}{label}\n{}", shown.display())?;
            }
            Ok(())
        })?;
        // The failure of a fallible stage is a result, so the run succeeded.
        Ok(Exit::Done)
    }
}

/// Runs as an earlier run did, in a process of its own.
fn again(session: &Session, experiment: &Experiment, folder: &RunFolder) -> CommandResult {
    let record = folder.record()?;
    let program = std::env::current_exe()?;
    let (_, arguments) = record
        .command
        .split_first()
        .unwrap_or((&record.program, &[]));
    let mut arguments = arguments.to_vec();
    if experiment.params().is_some() {
        // A run that was killed before its plan was made may have left no answers.
        let answers = folder.answers().ok();
        let answers = answers.and_then(|text| serde_json::from_str(&text).ok());
        arguments.extend(given(&answers.unwrap_or_default()));
    }
    session.say(format_args!("{} {}", record.program, arguments.join(" ")));
    let mut command = Command::new(&program);
    command.args(&arguments).current_dir(&record.folder);
    // The store that was named beside `--again`.
    if let Some(place) = session.place() {
        command.env("PYLIGHTNIX_ROOT", place.canonicalize()?);
    }
    let status = command.status().map_err(|error| {
        let message = format!(
            "cannot run {} in {}",
            program.display(),
            record.folder.display()
        );
        Error::new(ErrorKind::Io, message).because(error)
    })?;
    Ok(match status.code() {
        Some(0) => Exit::Done,
        Some(130) => Exit::Cancelled,
        _ => Exit::Failed,
    })
}

/// Returns the options that set the parameters that all targets of a run were given alike: its file may be another one today. Those that
/// differ were swept, which the arguments of the run say.
fn given(answers: &Answers) -> Vec<String> {
    let asked = answers.targets().flat_map(|target| answers.of(target));
    let mut all = asked.filter_map(|answer| match answer {
        Answer::Params { values } => Some(values),
        _ => None,
    });
    let mut alike = all.next().cloned().unwrap_or_default();
    for values in all {
        alike.retain(|key, value| values.get(key) == Some(value));
    }
    let set = alike
        .iter()
        .map(|(key, value)| format!("--set={key}={value}"));
    set.collect()
}

/// Keeps the results from garbage collection.
fn keep(
    session: &Session,
    experiment: &Experiment,
    stages: &Stages,
    results: &[Vec<AnyRRef>],
    answers: &Answers,
) -> CommandResult<()> {
    let root = |target: &str| RootRun::new(experiment.program(), target);
    let targets = stages.targets.iter().zip(&stages.wanted).zip(results);
    let mut targets: Vec<TargetResults> = targets
        .map(|((target, dref), rrefs)| {
            let rrefs = rrefs.iter().map(|rref| rref.id().clone());
            TargetResults::new(root(target), dref.id().clone(), rrefs)
        })
        .collect();
    // What was asked for is kept as the target is that asked.
    for asking in answers.targets() {
        let is_named = stages.targets.iter().any(|target| target == asking);
        let target = match (is_named, stages.targets.first()) {
            (false, Some(first)) => first,
            _ => asking,
        };
        for answer in answers.of(asking) {
            if let Answer::Realize { chosen } = answer {
                targets.extend(chosen.iter().map(|chosen| {
                    let rrefs = chosen.rrefs.iter().cloned();
                    TargetResults::new(root(target), chosen.dref.clone(), rrefs)
                }));
            }
        }
    }
    match session.store()?.keep_results(&targets) {
        // A user without permission to write still gets the results.
        Err(error) if is_refused_to_write(&error) => {
            session
                .say("this user may not write to the store: no root keeps these results from `gc`");
            Ok(())
        }
        done => Ok(done?),
    }
}

impl Options {
    /// Accepts what is to be accepted first, in the plan as far as it is known.
    fn accept(
        &self,
        session: &Session,
        experiment: &Experiment,
        targets: &[String],
    ) -> CommandResult<()> {
        if !self.accept_all && self.accept.is_empty() {
            return Ok(());
        }
        let store = session.store_or_new()?;
        let run = looking(experiment, store, self.trust_unknown);
        let stages = Stages::of(experiment, &run, targets)?;
        session.say_accepted(&match self.accept_all {
            true => store.accept_all(&stages.whole)?,
            false => store.accept(&stages.named(&self.accept)?)?,
        });
        Ok(())
    }

    /// Leaves the run to a process of its own, and says how to come back to it.
    fn leave_terminal(
        &self,
        session: &Session,
        experiment: &Experiment,
        names: &[String],
        how: Detach,
    ) -> CommandResult {
        let store = session.store_or_new()?;
        let run = driver::new_run(store, experiment.program(), names)?;
        let (program, arguments) = driver::copied(&run)?;
        let job = match how {
            Detach::Session => {
                let mut driver = driver::start(session.place(), &run, &program, &arguments)?;
                driver::expect_begun(&run, &mut driver)?;
                None
            }
            Detach::Job => {
                let slurm = self.slurm(match &self.on {
                    On::Slurm(partition) => partition.as_deref(),
                    On::Threads | On::Processes => None,
                });
                Some(driver::submit(&slurm, session, &run, &program, &arguments)?)
            }
        };
        let detached = Detached {
            run: run.id().to_string(),
            folder: run.path().to_owned(),
            job: job.map(|job| job.to_string()),
        };
        session.print(&detached, |detached, out| {
            writeln!(out, "run {}", detached.run)?;
            if let Some(job) = &detached.job {
                writeln!(out, "its process is job {job}")?;
            }
            Ok(())
        })?;
        if !session.json() {
            session.say(driver::how_to_attach(session.place(), &run));
        }
        Ok(Exit::Done)
    }

    /// Returns what cancels the run: Ctrl-C, which asks before if the run can be left.
    fn cancel(
        &self,
        session: &Session,
        store: &Store,
        progress: &RunProgress,
        journal: &Journal,
    ) -> CommandResult<Cancel> {
        if !matches!(self.on, On::Slurm(_)) || !interrupt::can_ask() {
            return Ok(Cancel::on_signals()?);
        }
        let (journal, store) = (journal.clone(), store.clone());
        let place = session.place().map(Path::to_owned);
        let leave = move || {
            let folder = journal.folder();
            let id = folder.as_deref().and_then(Path::file_name);
            let id = id.map(|id| id.to_string_lossy().into_owned());
            let run = store.run_named(&id.unwrap_or_default())?;
            let (program, arguments) = match run.program() {
                Some(copy) => (copy, std::env::args_os().skip(1).collect()),
                None => driver::copied(&run)?,
            };
            journal.leave();
            driver::start(place.as_deref(), &run, &program, &arguments)?;
            let how = driver::how_to_attach(place.as_deref(), &run);
            Ok(format!("run {} goes on\n{how}", run.id()))
        };
        interrupt::asking(Leaving {
            end_display: Box::new(progress.ending()),
            leave: Box::new(leave),
        })
    }

    /// Returns the executor with these options.
    fn slurm(&self, partition: Option<&str>) -> Slurm {
        let mut slurm = Slurm::new();
        if let Some(partition) = partition {
            slurm = slurm.partition(partition);
        }
        if let Some(time) = self.pack {
            slurm = slurm.pack(time);
        }
        if let Some(tasks) = self.at_most {
            slurm = slurm.at_most(tasks);
        }
        slurm
    }

    /// Creates the run with these options.
    fn realize(
        &self,
        session: &Session,
        experiment: &Experiment,
    ) -> CommandResult<Realize<'static>> {
        let mut run = experiment.configured(Realize::new(session.store_or_new()?));
        if let Some(jobs) = self.jobs {
            run = run.jobs(jobs);
        }
        if let Some(threads) = self.threads {
            run = run.threads(threads);
        }
        if let Some(memory) = self.memory {
            run = run.memory(memory);
        }
        for resource in &self.resource {
            run = match resource {
                Resource::Amount(name, amount) => run.resource(name, *amount),
                Resource::Units(name, units) => run.resource_units(name, units.clone()),
            };
        }
        if let Some(timeout) = self.timeout {
            run = run.timeout(timeout);
        }
        if let Some(grace) = self.grace {
            run = run.grace(grace);
        }
        if let Some(retries) = self.retries {
            run = run.retries(retries);
        }
        if self.keep_going {
            run = run.keep_going();
        }
        if self.force_all {
            run = run.force_all();
        }
        if self.trust_unknown {
            run = run.trust_unknown();
        }
        if self.retry_failed {
            run = run.retry_failed();
        }
        if self.no_cut_off {
            run = run.no_cut_off();
        }
        run = self.remotes.set(run, session.store_or_new()?)?;
        match &self.on {
            On::Threads => {}
            On::Processes => run = run.on(Processes::new()),
            On::Slurm(partition) => run = run.on(self.slurm(partition.as_deref())),
        }
        if self.sealed {
            run = run.sealed();
        }
        if self.only_sealed {
            run = run.only_sealed();
        }
        run = trusting(run, self.trust.of(session.store_or_new()?)?.as_ref());
        Ok(run)
    }

    /// Returns the paths of the links to `count` results.
    fn links(&self, count: usize) -> impl Iterator<Item = PathBuf> {
        (0..count).filter_map(|at| {
            let mut link = self.link.clone()?;
            if at > 0 {
                link.as_mut_os_string().push(format!("-{}", at + 1));
            }
            Some(link)
        })
    }

    fn link_results(
        &self,
        session: &Session,
        stages: &Stages,
        rrefs: Vec<RRefId>,
    ) -> CommandResult<Vec<ResultOf>> {
        let store = session.store()?;
        let mut results = Vec::new();
        let mut links = self.links(rrefs.len());
        for rref in rrefs {
            let path = store.out_dir(&rref);
            let link = links.next();
            if let Some(link) = &link {
                store.link(&rref, link)?;
            }
            let label = stages.label(rref.dref());
            results.push(ResultOf {
                rref,
                label,
                path,
                link,
            });
        }
        Ok(results)
    }
}
