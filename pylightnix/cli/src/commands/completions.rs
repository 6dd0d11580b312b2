//! `completions` and `man`: what shells and manuals take.

use clap_complete::env::Shells;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::exit::{Done, Exit, Fault};
use crate::session::Session;
use pylightnix::Error;
use pylightnix::internal::Target;

/// Print what makes a shell complete this program's words
///
/// Once, when you set up your shell. Commands, options, names, and references in the store are completed.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: in bash, from now on\n  echo 'source <(pylightnix completions bash)' >> ~/.bashrc"
)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Print the manual page of this program or of a command, for `man`
///
/// When you install the program, or like to read in `man`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: read the page of `gc`\n  pylightnix man gc | man -l -")]
pub(crate) struct Man {
    /// The command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath, conflicts_with = "command")]
    folder: Option<PathBuf>,
}

/// A zsh that nobody set up knows no completions.
const ZSH_COMPLETES: &[u8] =
    b"(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n";

impl Completions {
    pub(crate) fn run(self, session: &Session) -> Done {
        session.no_json("completions")?;
        let command = session.command();
        let name = command.get_name();
        // By its path, so that it works though it is not in `PATH`.
        let program = std::env::current_exe();
        let program = program.map_or_else(
            |_| name.to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let shells = Shells::builtins();
        let Some(shell) = shells.completer(&self.shell) else {
            return Err(Fault::Usage(format!(
                "the shell {} is not known",
                self.shell
            )));
        };
        let mut script = Vec::new();
        shell.write_registration("COMPLETE", name, name, &program, &mut script)?;
        let mut out = session.out();
        if self.shell == "zsh" {
            // The first line says what a file is that zsh finds by itself.
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

/// Checks that no file of the name of a page of this program would be replaced that is none.
fn expect_pages(folder: &Path, program: &str) -> Done<()> {
    let unread = |error| Error::io("read the folder", folder, error);
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(program) && name.ends_with(".1") {
            Target::look(&path, "a manual page", 8, |start| {
                start.starts_with(b".ie \\n(.")
            })?;
        }
    }
    Ok(())
}

impl Man {
    pub(crate) fn run(self, session: &Session) -> Done {
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
                None => return Err(Fault::Usage(format!("there is no command `{name}`"))),
            },
        };
        let mut out = session.out();
        clap_mangen::Man::new(page).render(out.raw())?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
