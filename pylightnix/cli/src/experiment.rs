//! The targets and the plan of a user's program.

use crate::exit::{CommandError, CommandResult};
use pylightnix::experiment::Run;
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Realize;
use pylightnix::{BoxError, Error, ErrorKind};

/// Makes the stages of a target.
pub(crate) type MakeTarget = Box<dyn Fn(&Run<'static>) -> Result<Vec<AnyDRef>, BoxError>>;

/// Configures a run.
pub(crate) type Configure = Box<dyn Fn(Realize<'static>) -> Realize<'static>>;

/// The targets of a user's program.
pub(crate) struct Experiment {
    program: String,
    targets: Vec<(String, MakeTarget)>,
    configure: Option<Configure>,
}

/// The plan of some targets.
#[derive(Default)]
pub(crate) struct MadePlan {
    /// The stages of the targets; none of a target that is not decided.
    pub(crate) stages: Vec<AnyDRef>,
    /// The stages that were asked for while the plan was made.
    pub(crate) asked: Vec<AnyDRef>,
    /// Why a target is not decided.
    pub(crate) undecided: Option<Error>,
}

impl Experiment {
    pub(crate) fn new(
        program: String,
        targets: Vec<(String, MakeTarget)>,
        configure: Option<Configure>,
    ) -> Self {
        Experiment {
            program,
            targets,
            configure,
        }
    }

    /// Returns the name of the program.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Returns the names of the targets; a single target may have an empty name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|(name, _)| name.as_str())
    }

    /// Configures a run as the program specifies.
    pub(crate) fn configured(&self, run: Realize<'static>) -> Realize<'static> {
        match &self.configure {
            Some(configure) => configure(run),
            None => run,
        }
    }

    /// Makes the plan of these targets; without names, of the first target.
    pub(crate) fn plan(&self, run: &Run<'static>, names: &[String]) -> CommandResult<MadePlan> {
        let first = self.names().next().map(str::to_owned);
        let names = match names {
            [] => first.as_slice(),
            names => names,
        };
        let mut plan = MadePlan::default();
        for name in names {
            let Some((_, make)) = self.targets.iter().find(|(other, _)| other == name) else {
                return Err(self.unknown(name));
            };
            run.begin(name);
            let made = make(run);
            plan.asked.extend(run.asked());
            match run.undecided() {
                // Whatever the function made of that.
                Some(error) => plan.undecided = plan.undecided.or(Some(error)),
                None => plan.stages.extend(made.map_err(not_made)?),
            }
        }
        Ok(plan)
    }

    /// Makes as much of the plan as is decided, for a process that runs some of its stages. Words that are no targets name stages of
    /// any target.
    pub(crate) fn for_worker(
        &self,
        run: &Run<'static>,
        words: &[String],
    ) -> Result<Vec<AnyDRef>, Error> {
        let all: Vec<String> = self.names().map(str::to_owned).collect();
        let words = match words.iter().all(|word| all.contains(word)) {
            true => words,
            false => &all,
        };
        let plan = self.plan(run, words).map_err(|fault| match fault {
            CommandError::Error(error) => error,
            _ => Error::new(ErrorKind::Plan, "the arguments are not those of the run"),
        })?;
        let mut stages = plan.asked;
        stages.extend(plan.stages);
        Ok(stages)
    }

    fn unknown(&self, name: &str) -> CommandError {
        let there: Vec<&str> = self.names().filter(|name| !name.is_empty()).collect();
        let there = match there.is_empty() {
            true => "this program has only one target, which needs no name".to_owned(),
            false => format!("the targets are {}", there.join(", ")),
        };
        CommandError::Usage(format!("there is no target `{name}`\n  help: {there}"))
    }
}

fn not_made(error: BoxError) -> CommandError {
    CommandError::Error(match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::new(ErrorKind::Plan, "the plan cannot be made").because(error),
    })
}
