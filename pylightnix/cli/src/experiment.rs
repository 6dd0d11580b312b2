//! The targets and the plan of a user's program.

use crate::exit::{CommandError, CommandResult};
use pylightnix::plan::AnyDRef;
use pylightnix::realize::Realize;
use pylightnix::{BoxError, Error, ErrorKind};

/// Makes the stages of a target.
pub(crate) type MakeTarget = Box<dyn Fn() -> Result<Vec<AnyDRef>, BoxError>>;

/// Configures a run.
pub(crate) type Configure = Box<dyn Fn(Realize<'static>) -> Realize<'static>>;

/// The targets of a user's program.
pub(crate) struct Experiment {
    program: String,
    targets: Vec<(String, MakeTarget)>,
    configure: Option<Configure>,
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

    /// Makes the stages of these targets; without names, of the first target.
    pub(crate) fn plan(&self, names: &[String]) -> CommandResult<Vec<AnyDRef>> {
        let mut stages = Vec::new();
        if names.is_empty()
            && let Some((_, make)) = self.targets.first()
        {
            return made(make());
        }
        for name in names {
            match self.targets.iter().find(|(other, _)| other == name) {
                Some((_, make)) => stages.extend(made(make())?),
                None => return Err(self.unknown(name)),
            }
        }
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

fn made(stages: Result<Vec<AnyDRef>, BoxError>) -> CommandResult<Vec<AnyDRef>> {
    stages.map_err(|error| {
        CommandError::Error(match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::new(ErrorKind::Plan, "the plan cannot be made").because(error),
        })
    })
}
