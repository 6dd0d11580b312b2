//! `remote`: the places with which `push` and `pull` work.

mod gc;
mod ls;
mod names;
mod roots;
mod verify;

use crate::exit::CommandResult;
use crate::session::Session;

/// Name remotes, see what they have, verify them, and collect their garbage
///
/// Use it when you want to name the places with which `push` and `pull` work, or to see whether all is well there. A place is a folder, a bucket
/// of an object store as `s3://bucket/folder`, or the URL of a web server, which can only be read.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: name a folder that a group shares\n  pylightnix remote add team /shared/results"
)]
pub(crate) struct Remote {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(clap::Subcommand, Debug)]
enum RemoteCommand {
    Add(names::Add),
    List(names::List),
    Remove(names::Remove),
    Ls(ls::Ls),
    Roots(roots::Roots),
    Verify(verify::Verify),
    Gc(gc::Gc),
}

impl Remote {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        match self.command {
            RemoteCommand::Add(command) => command.run(session),
            RemoteCommand::List(command) => command.run(session),
            RemoteCommand::Remove(command) => command.run(session),
            RemoteCommand::Ls(command) => command.run(session),
            RemoteCommand::Roots(command) => command.run(session),
            RemoteCommand::Verify(command) => command.run(session),
            RemoteCommand::Gc(command) => command.run(session),
        }
    }
}
