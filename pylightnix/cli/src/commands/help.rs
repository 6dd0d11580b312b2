//! `help`: prints the help page of a command.

use std::io::Write as _;

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;

/// Print the help of this program or of a command
///
/// Use it when you want to know what a command does; the same as `--help` after it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: what does `gc` do?\n  pylightnix help gc")]
pub(crate) struct Help {
    /// The command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Help {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("help")?;
        let mut command = session.command();
        command.build();
        let page = match &self.command {
            None => command.render_long_help(),
            Some(name) => match command.find_subcommand_mut(name) {
                Some(found) => found.render_long_help(),
                None => return Err(CommandError::Usage(format!("there is no command `{name}`"))),
            },
        };
        let mut out = session.out();
        match session.color() {
            true => write!(out.raw(), "{}", page.ansi())?,
            false => write!(out.raw(), "{page}")?,
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}
