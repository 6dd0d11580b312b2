//! The commands, a file for each.

mod compare;
mod list;
mod plan;
mod run;
mod why;

pub(crate) use run::Run;

use super::exit::Done;
use super::session::Session;

/// The commands that need no more than a store. In a user's program some of them know its plan as well.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    List(list::List),
    Why(why::Why),
    Compare(compare::Compare),
}

/// The commands of a user's program.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum PlanCommand {
    Run(Run),
    Plan(plan::Plan),
    #[command(flatten)]
    Store(Command),
}

impl Command {
    pub(crate) fn run(self, session: &Session) -> Done {
        match self {
            Command::List(command) => command.run(session),
            Command::Why(command) => command.run(session),
            Command::Compare(command) => command.run(session),
        }
    }
}

impl PlanCommand {
    pub(crate) fn run(self, session: &Session) -> Done {
        match self {
            PlanCommand::Run(command) => command.run(session),
            PlanCommand::Plan(command) => command.run(session),
            PlanCommand::Store(command) => command.run(session),
        }
    }
}
