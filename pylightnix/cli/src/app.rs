//! The two entry points: the command line of a program with a plan, and `pylightnix` for any store.

use clap::{ArgMatches, Args, Command as Clap, FromArgMatches as _, Subcommand};
use clap_complete::CompleteEnv;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use crate::commands::{Command, PlanCommand, Run as RunCommand};
use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::experiment::{Configure, Experiment, MakeTarget};
use crate::params::GivenParams;
use crate::session::{CommonOptions, Session, style};
use pylightnix::BoxError;
use pylightnix::experiment::{ParamList, Params, Run, WorkerRun};
use pylightnix::plan::{AnyDRef, Target};
use pylightnix::realize::Realize;

/// The commands that need the plan, and so take the program's own arguments.
const WITH_PLAN: &[&str] = &[
    "run",
    "plan",
    "accept",
    "replan",
    "graph",
    "why",
    "roots",
    "gc",
    "params",
    "import",
    #[cfg(feature = "pages")]
    "serve",
];

/// The command line of a program with an experiment: `run`, `plan`, and all that `pylightnix` can do with its store. Without
/// a command, it runs.
///
/// `experiment` makes the target; it is called when it is needed. For several targets, or arguments of the program's own,
/// there is [`App`].
///
/// ```no_run,standalone_crate
/// use pylightnix::prelude::*;
/// use std::process::ExitCode;
/// # #[derive(Config)] pub struct Greeting { #[selfref("hello.txt")] pub out: SelfRef<Text> }
/// # #[stage] fn greeting(b: &Build<Greeting>) -> Result<GreetingOutputs> {
/// #     Ok(GreetingOutputs { out: b.out.save("hello\n")? })
/// # }
///
/// fn experiment() -> Result<DRef<Greeting>> {
///     Ok(instantiate(Greeting::new())?)
/// }
///
/// fn main() -> ExitCode {
///     pylightnix_cli::main(experiment)
/// }
/// ```
pub fn main<T, E>(experiment: impl Fn() -> Result<T, E> + 'static) -> ExitCode
where
    T: Target,
    E: Into<BoxError>,
{
    main_with(move |_| experiment().map_err(Into::into))
}

/// The command line of a program whose plan depends on results or on files: as [`main`], for a function that takes the run and may
/// ask it.
///
/// `experiment` can use `?` on any error. A function whose `Result` is not the prelude's fits as `|run| Ok(f(run)?)`.
///
/// ```no_run,standalone_crate
/// use pylightnix::prelude::*;
/// use std::process::ExitCode;
/// # #[derive(Config)] struct Lines { #[selfref("n.json")] n: SelfRef<Json<u64>>, #[dref] text: DRef<pylightnix::stages::Imported> }
/// # #[stage] fn lines(b: &Build<Lines>) -> Result<LinesOutputs> { Ok(LinesOutputs { n: b.n.save(&2)? }) }
/// # #[derive(Config)] struct Part { number: u64 }
/// # #[stage] fn part(b: &Build<Part>) -> Result<()> { Ok(()) }
///
/// fn main() -> ExitCode {
///     pylightnix_cli::main_with(|run| {
///         let lines = instantiate(Lines::new(run.file("notes.txt")?))?;
///         let count = run.realize(&lines)?.n.load()?; // this much is run before the rest is planned
///         let parts = (0..count).map(|number| instantiate(Part::new(number)));
///         Ok(parts.collect::<Result<Vec<_>, _>>()?)
///     })
/// }
/// ```
pub fn main_with<T: Target>(
    experiment: impl Fn(&Run<'static>) -> Result<T, BoxError> + 'static,
) -> ExitCode {
    let made = move |_: &NoArgs, run: &Run<'static>| experiment(run);
    App::new().target_with("", made).main()
}

/// The command line of a program with parameters: as [`main_with`], for a function that is given its parameters too, a struct that
/// derives [`Params`](derive@pylightnix::Params).
///
/// `run --set train.rate=0.1 --profile quick` sets some of them, `--sweep train.rate=0.1,0.01` plans the target for each value, and
/// the command `params` says what they are and from where each value comes. See [`ParamSources`](pylightnix::experiment::ParamSources)
/// for the rest.
///
/// ```no_run,standalone_crate
/// use pylightnix::prelude::*;
/// use std::process::ExitCode;
/// # #[derive(Config)] struct Model { rate: f64 }
/// # #[stage] fn model(b: &Build<Model>) -> Result<()> { Ok(()) }
///
/// #[derive(Params)]
/// struct Settings {
///     /// The learning rate
///     #[param(default = 0.1)]
///     rate: f64,
/// }
///
/// fn experiment(_: &Run<'_>, settings: Settings) -> Result<DRef<Model>> {
///     Ok(instantiate(Model::new(settings.rate))?)
/// }
///
/// fn main() -> ExitCode {
///     pylightnix_cli::main_with_params(experiment)
/// }
/// ```
pub fn main_with_params<P, T>(
    experiment: impl Fn(&Run<'static>, P) -> Result<T, BoxError> + 'static,
) -> ExitCode
where
    P: Params,
    T: Target,
{
    let made = move |_: &NoArgs, run: &Run<'static>| {
        let params = run.params()?;
        experiment(run, params)
    };
    App::new().params::<P>().target_with("", made).main()
}

/// Runs the program `pylightnix`, with the commands that need only a store.
#[doc(hidden)]
pub fn store_main() -> ExitCode {
    let command = || {
        let base = base("pylightnix")
            .bin_name("pylightnix")
            .subcommand_required(true)
            .arg_required_else_help(true);
        let about = "Inspect and maintain a store of Pylightnix";
        introduced(Command::augment_subcommands(base), about, STORE_EXAMPLES)
    };
    CompleteEnv::with_factory(command).complete();
    let matches = command().get_matches();
    let done = || {
        let common = CommonOptions::from_arg_matches(&matches)?;
        Ok((common, Command::from_arg_matches(&matches)?))
    };
    match done() {
        Ok((common, chosen)) => {
            let session = Session::new(&common, None, command());
            finish(&session, chosen.run(&session))
        }
        Err::<_, clap::Error>(error) => error.exit(),
    }
}

/// No arguments of the program itself: see [`App`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NoArgs;

// Not derived: clap would show the documentation of the type at the top of the help.
impl clap::FromArgMatches for NoArgs {
    fn from_arg_matches(_: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(NoArgs)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}

impl Args for NoArgs {
    fn augment_args(command: Clap) -> Clap {
        command
    }

    fn augment_args_for_update(command: Clap) -> Clap {
        command
    }
}

/// The command line of a program with several targets, or with arguments of its own: the fields of a struct that derives
/// [`clap::Args`] are added to the options of the commands that need the plan.
///
/// ```no_run,standalone_crate
/// use pylightnix_cli::{App, clap};
/// use pylightnix::prelude::*;
/// use std::process::ExitCode;
/// # #[derive(Config)] pub struct Train { #[selfref("model")] pub out: SelfRef<Text>, pub layers: u64 }
/// # #[stage] fn train(b: &Build<Train>) -> Result<TrainOutputs> { Ok(TrainOutputs { out: b.out.save("..")? }) }
/// # #[derive(Config)] pub struct Report { #[selfref("report")] pub out: SelfRef<Text>, #[dref] pub model: DRef<Train> }
/// # #[stage] fn report(b: &Build<Report>) -> Result<ReportOutputs> { Ok(ReportOutputs { out: b.out.save("..")? }) }
///
/// #[derive(clap::Args)]
/// struct Arguments {
///     /// How many layers the model has
///     #[arg(long, default_value_t = 4)]
///     layers: u64,
/// }
///
/// fn main() -> ExitCode {
///     App::with_args::<Arguments>()
///         .target("model", |mine| Ok(instantiate(Train::new(mine.layers))?))
///         .target("report", |mine| Ok(instantiate(Report::new(instantiate(Train::new(mine.layers))?))?))
///         .main() // `.. --layers 5` makes the model, `.. run report --layers 5` the report
/// }
/// ```
///
/// Arguments of the program cannot have names that the command line uses itself, such as `--jobs` and `--store`, and with
/// [parameters](App::params) `--set`.
/// A struct that derives [`clap::Args`] needs no `#[command(..)]` of its own; `clap` is
/// [re-exported](crate::clap), so that versions agree.
#[must_use = "nothing happens before `main`"]
pub struct App<A = NoArgs> {
    about: Option<String>,
    targets: Vec<(String, Make<A>)>,
    configure: Option<SetUp<A>>,
    params: Option<ParamList>,
}

/// What a command line says: the options of all commands, the program's own arguments, its parameters, and the command.
type GivenLine<A> = (CommonOptions, A, Option<GivenParams>, PlanCommand);

type Make<A> = Box<dyn Fn(&A, &Run<'static>) -> Result<Vec<AnyDRef>, BoxError>>;
type SetUp<A> = Box<dyn Fn(&A, Realize<'static>) -> Realize<'static>>;

impl App {
    /// Creates a command line without arguments of the program.
    pub fn new() -> Self {
        Self::with_args()
    }

    /// Creates a command line with the arguments `A` of the program.
    pub fn with_args<A: Args>() -> App<A> {
        App {
            about: None,
            targets: Vec::new(),
            configure: None,
            params: None,
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Args + 'static> App<A> {
    /// Sets the description of the program at the top of its help.
    pub fn about(mut self, text: &str) -> Self {
        self.about = Some(text.to_owned());
        self
    }

    /// Declares the parameters of the experiment, a struct that derives [`Params`](derive@pylightnix::Params), which the functions of
    /// targets ask the run for: [`Run::params`]. The commands that need the plan get the options `--set`, `--sweep`, `--params` and
    /// `--profile`, and completion, help and the command `params` know the parameters.
    ///
    /// ```no_run,standalone_crate
    /// use pylightnix::prelude::*;
    /// use pylightnix_cli::App;
    /// use std::process::ExitCode;
    /// # #[derive(Config)] pub struct Train { pub rate: f64 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    ///
    /// #[derive(Params)]
    /// struct Settings {
    ///     /// The learning rate
    ///     #[param(default = 0.1)]
    ///     rate: f64,
    /// }
    ///
    /// fn main() -> ExitCode {
    ///     App::new()
    ///         .params::<Settings>()
    ///         .target_with("model", |_, run| {
    ///             let settings: Settings = run.params()?;
    ///             Ok(instantiate(Train::new(settings.rate))?)
    ///         })
    ///         .main() // `.. run --set rate=0.5`
    /// }
    /// ```
    pub fn params<P: Params>(mut self) -> Self {
        self.params = Some(ParamList::of::<P>());
        self
    }

    /// Adds a target with a name: `make` returns a `DRef`, or several in a tuple, a `Vec` or a map. The first target is
    /// the default.
    ///
    /// `make` can use `?` on any error. A function whose `Result` is not the prelude's fits as
    /// `|mine| Ok(f(mine)?)`.
    pub fn target<T: Target>(
        self,
        name: &str,
        make: impl Fn(&A) -> Result<T, BoxError> + 'static,
    ) -> Self {
        self.target_with(name, move |mine, _| make(mine))
    }

    /// Adds a target whose function takes the run too, and may ask it: for results on which the rest of the plan depends, for
    /// files, for the store. See [`main_with`].
    pub fn target_with<T: Target>(
        mut self,
        name: &str,
        make: impl Fn(&A, &Run<'static>) -> Result<T, BoxError> + 'static,
    ) -> Self {
        let make = move |mine: &A, run: &Run<'static>| {
            let target = make(mine, run)?;
            let mut stages = Vec::new();
            target.visit(&mut |dref| stages.push(dref.clone()));
            Ok(stages)
        };
        self.targets.push((name.to_owned(), Box::new(make)));
        self
    }

    /// Configures each run, before the options of the command line do: [run-time arguments](Realize::arg), observers,
    /// limits.
    ///
    /// ```no_run,standalone_crate
    /// use pylightnix::prelude::*;
    /// use pylightnix_cli::App;
    /// use std::process::ExitCode;
    ///
    /// /// How many processors an evaluation may take.
    /// struct Processors(usize);
    /// # #[derive(Config)] pub struct Score {}
    /// #[stage(args(Processors))]
    /// fn score(b: &Build<Score>) -> Result<()> {
    ///     println!("with {} processors", b.arg::<Processors>().0);
    ///     Ok(())
    /// }
    ///
    /// fn main() -> ExitCode {
    ///     App::new()
    ///         .target("score", |_| Ok(instantiate(Score::new())?))
    ///         .configure_run(|_, run| run.arg(Processors(8)))
    ///         .main()
    /// }
    /// ```
    pub fn configure_run(
        mut self,
        set_up: impl Fn(&A, Realize<'static>) -> Realize<'static> + 'static,
    ) -> Self {
        self.configure = Some(Box::new(set_up));
        self
    }

    /// Runs the command line, and returns the exit code. It reads the arguments of the process, writes to its
    /// standard output, and reports errors on standard error.
    #[must_use = "it is the exit code of the program"]
    pub fn main(self) -> ExitCode {
        match WorkerRun::here() {
            Ok(None) => {}
            Ok(Some(worker)) => return self.work(worker),
            Err(_) => return ExitCode::FAILURE,
        }
        CompleteEnv::with_factory(|| self.command()).complete();
        let command = self.command();
        let matches = self.command().get_matches();
        match self.read(&matches) {
            Ok((common, mine, params, chosen)) => {
                let experiment = self.experiment(mine, params);
                let session = Session::new(&common, Some(experiment), command);
                finish(&session, chosen.run(&session))
            }
            Err(error) => error.exit(),
        }
    }

    /// Runs stages for the process of a run, which was given the same arguments.
    fn work(self, worker: WorkerRun) -> ExitCode {
        let Ok((_, mine, params, command)) = self.read(&self.command().get_matches()) else {
            return ExitCode::FAILURE;
        };
        let experiment = self.experiment(mine, params);
        let configure = |run| experiment.configured(run);
        let plan = |run: &Run<'static>| experiment.for_worker(run, command.targets());
        match worker.serve_with(configure, plan) {
            Ok(()) => ExitCode::SUCCESS,
            // The process of the run was told.
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Returns the definition of the whole command line.
    fn command(&self) -> Clap {
        let mut command = base(program()).subcommand_negates_reqs(true);
        command = PlanCommand::augment_subcommands(command);
        // Without a command, the program runs, with the options of `run`.
        command = A::augment_args(self.with_params(RunCommand::augment_options(command)));
        for name in WITH_PLAN {
            command = command.mut_subcommand(name, |mut command| {
                if *name == "serve" {
                    command = apart(command, &A::augment_args(Clap::new("")));
                }
                // `augment_args` would replace these by the documentation of `A`.
                let about = command.get_about().cloned();
                let long = command.get_long_about().cloned();
                let command = A::augment_args(self.with_params(command));
                let command = command.mut_args(|arg| match arg.get_id().as_str() {
                    "targets" => arg.add(complete::targets(self.names())),
                    _ => arg,
                });
                command
                    .about(about.unwrap_or_default())
                    .long_about(long.unwrap_or_default())
            });
        }
        if let Some(list) = &self.params {
            let listed = |command| GivenParams::list_in_help(command, list);
            command = command.mut_subcommand("params", listed);
        }
        let command = command.mut_subcommands(named_as_called);
        let about = self.about.as_deref();
        let about = about
            .unwrap_or("An experiment: build its results, and inspect the store that holds them");
        introduced(command, about, PLAN_EXAMPLES)
    }

    /// Adds the options that set parameters, if the program declares some.
    fn with_params(&self, command: Clap) -> Clap {
        match &self.params {
            Some(list) => GivenParams::augment(command, list),
            None => command,
        }
    }

    fn names(&self) -> Vec<String> {
        self.targets.iter().map(|(name, _)| name.clone()).collect()
    }

    fn read(&self, matches: &ArgMatches) -> Result<GivenLine<A>, clap::Error> {
        let common = CommonOptions::from_arg_matches(matches)?;
        let params = |matches| {
            let list = self.params.clone();
            list.map(|list| GivenParams::read(list, matches))
                .transpose()
        };
        match matches.subcommand() {
            None => {
                let mine = A::from_arg_matches(matches)?;
                let run = PlanCommand::Run(RunCommand::from_options(matches)?);
                Ok((common, mine, params(matches)?, run))
            }
            Some((name, inside)) => {
                self.refuse_lost(matches, name)?;
                // A command without a plan ignores them.
                let with = if WITH_PLAN.contains(&name) {
                    inside
                } else {
                    matches
                };
                let mine = A::from_arg_matches(with)?;
                let command = PlanCommand::from_arg_matches(matches)?;
                Ok((common, mine, params(with)?, command))
            }
        }
    }

    /// Refuses options before a command that belong after it: they would be ignored.
    fn refuse_lost(&self, matches: &ArgMatches, name: &str) -> Result<(), clap::Error> {
        let global = CommonOptions::augment_args(Clap::new(""));
        let is_global = |id: &str| global.get_arguments().any(|arg| arg.get_id() == id);
        let given =
            |id: &str| matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        let mut command = self.command();
        let all = command.get_arguments().map(|arg| arg.get_id().to_string());
        let lost = all.into_iter().find(|id| !is_global(id) && given(id));
        match lost {
            Some(id) => {
                let arg = command
                    .get_arguments()
                    .find(|arg| arg.get_id() == id.as_str());
                let shown = match arg.and_then(clap::Arg::get_long) {
                    Some(long) => format!("--{long}"),
                    None => id,
                };
                let text = format!("`{shown}` is before `{name}`: put it after the command");
                Err(command.error(clap::error::ErrorKind::ArgumentConflict, text))
            }
            None => Ok(()),
        }
    }

    fn experiment(self, mine: A, params: Option<GivenParams>) -> Experiment {
        let mine = Rc::new(mine);
        let targets = self.targets.into_iter().map(|(name, make)| {
            let mine = mine.clone();
            let make: MakeTarget = Box::new(move |run| make(&mine, run));
            (name, make)
        });
        let configure: Option<Configure> = match self.configure {
            Some(set_up) => {
                let mine = mine.clone();
                Some(Box::new(move |run| set_up(&mine, run)))
            }
            None => None,
        };
        Experiment::new(program(), targets.collect(), configure, params)
    }
}

impl<A> fmt::Debug for App<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.targets.iter().map(|(name, _)| name).collect();
        write!(f, "App({names:?})")
    }
}

/// Renames the options of a command that have the names of a program's own: `--memory` becomes `--serve-memory`.
fn apart(command: Clap, own: &Clap) -> Clap {
    let name = command.get_name().to_owned();
    let own: Vec<&str> = own
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    command.mut_args(
        |arg| match arg.get_long().filter(|long| own.contains(long)) {
            Some(long) => {
                let long = format!("{name}-{long}");
                arg.long(long)
            }
            None => arg,
        },
    )
}

/// Returns the part of the command line that both programs share.
fn base(name: impl Into<clap::builder::Str>) -> Clap {
    let command = Clap::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .disable_help_subcommand(true);
    CommonOptions::augment_args(command)
}

const STORE_EXAMPLES: &[(&str, &str)] = &[
    ("list --newest -n 5", "what was made last"),
    ("show train", "details of the newest `train`"),
    ("du", "what uses how much disk space"),
];

const PLAN_EXAMPLES: &[(&str, &str)] = &[
    ("plan", "what a run would do, and why"),
    (
        "run",
        "build the results; also what happens without a command",
    ),
    ("list --newest -n 5", "what was made last"),
];

/// Replaces the name of the program in the example of a command by the actual one.
fn named_as_called(command: Clap) -> Clap {
    match command.get_after_help().map(ToString::to_string) {
        Some(text) => {
            let name = program();
            let text = text.replace("pylightnix ", &format!("{name} "));
            command.after_help(text.replace("./experiment ", &format!("{name} ")))
        }
        None => command,
    }
}

/// Adds the texts around the commands to the first help page. Must come last, since derived documentation
/// would replace them.
fn introduced(command: Clap, about: &str, examples: &[(&str, &str)]) -> Clap {
    let name = command.get_name();
    let lines = examples
        .iter()
        .map(|(words, what)| format!("\n  {name} {words:20}  {what}"));
    let examples: String = lines.collect();
    let more = format!(
        "A REF is a name (`train`, or `train@2` for the second newest), the beginning of a reference as `list` prints it, a \
         path into the store, or a link to a result.\n\n\
         The exit status is 0 on success; 1 if a stage failed, a check found faults, nothing matches or something \
         was refused; 2 if the command line or a parameter is not valid; 3 if the store does not exist or cannot be used; \
         and 130 if the command was cancelled.\n\n\
         Examples:{examples}"
    );
    command
        .about(about.to_owned())
        .long_about(about.to_owned())
        .after_help(format!("Examples:{examples}"))
        .after_long_help(more)
}

/// Returns the name of this program.
fn program() -> String {
    let path = std::env::args_os()
        .next()
        .unwrap_or_else(|| OsString::from("experiment"));
    let name = Path::new(&path).file_name().unwrap_or(&path);
    name.to_string_lossy().into_owned()
}

/// Reports a fault, and returns the exit code.
fn finish(session: &Session, done: CommandResult) -> ExitCode {
    match done {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if let Some(text) = fault.report() {
                let word = session.paint_err(style::BAD, "error:");
                session.say(format_args!("{word} {text}"));
            }
            match fault {
                CommandError::Closed => Exit::Done.into(),
                fault => fault.exit().into(),
            }
        }
    }
}
