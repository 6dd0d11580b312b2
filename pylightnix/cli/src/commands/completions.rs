//! `completions` and `man`: completion scripts and manual pages.

use clap_complete::env::Shells;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use pylightnix::Error;
use pylightnix::internal::Target;

/// Print the completion script of a shell
///
/// Load it when you set up your shell. It completes commands, options, names, and references in the store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: set up bash\n  echo 'source <(pylightnix completions bash)' >> ~/.bashrc"
)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Print the manual page of this program or of a command, for `man`
///
/// Use it when you install the program, or prefer to read in `man`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: read the page of `gc`\n  pylightnix man gc | man -l -")]
pub(crate) struct Man {
    /// The command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath, conflicts_with = "command")]
    folder: Option<PathBuf>,
}

/// Loads the completion system of zsh, if the user's setup has not.
const ZSH_COMPLETES: &[u8] =
    b"(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n";

impl Completions {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("completions")?;
        let command = session.command();
        let name = command.get_name();
        // By its path, so that it works even if it is not in `PATH`.
        let program = std::env::current_exe();
        let program = program.map_or_else(
            |_| name.to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(&self.shell) else {
            return Err(CommandError::Usage(format!(
                "the shell {} is not supported",
                self.shell
            )));
        };
        let mut script = Vec::new();
        shell.write_registration("COMPLETE", name, name, &program, &mut script)?;
        let mut out = session.out();
        if self.shell == "zsh" {
            // The first line, `#compdef`, has to stay first.
            let first = script.iter().position(|byte| *byte == b'\n');
            let rest = script.split_off(first.map_or(0, |at| at + 1));
            out.raw().write_all(&script)?;
            out.raw().write_all(ZSH_COMPLETES)?;
            script = rest;
        }
        out.raw().write_all(&script)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}

/// Checks that only manual pages would be replaced by the pages of this program.
fn expect_pages(folder: &Path, program: &str) -> CommandResult<()> {
    let unread = |error| Error::io("read the folder", folder, error);
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(program) && name.ends_with(".1") {
            Target::check(&path, "a manual page", 8, |start| {
                start.starts_with(b".ie \\n(.")
            })?;
        }
    }
    Ok(())
}

impl Man {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("man")?;
        let mut command = session.command();
        command.build();
        if let Some(folder) = self.folder {
            let refused = |error| Error::io("write the pages to", &folder, error);
            fs::create_dir_all(&folder).map_err(refused)?;
            expect_pages(&folder, command.get_name())?;
            clap_mangen::generate_to(command, &folder).map_err(refused)?;
            return Ok(Exit::Done);
        }
        let page = match &self.command {
            None => command,
            Some(name) => match command.find_subcommand(name) {
                Some(found) => found.clone(),
                None => return Err(CommandError::Usage(format!("there is no command `{name}`"))),
            },
        };
        let mut out = session.out();
        clap_mangen::Man::new(page).render(out.raw())?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
