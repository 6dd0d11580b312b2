//! `remote add`, `remote list` and `remote remove`: the remotes that a store knows.

use serde::Serialize;
use std::io::Write as _;

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use pylightnix::Error;

/// Give a remote a name in this store
///
/// Use it once for each remote. The name and the address stand in the file `remotes.toml` of the store, and nothing else does: no passwords.
/// A remote is made by the first push to it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: a folder\n  pylightnix remote add team /shared/results")]
pub(super) struct Add {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
    /// A folder, or a URL that begins with `https://`, `http://`, `s3://`, `gs://`, `az://` or `abfss://`
    #[arg(value_name = "ADDRESS", value_hint = clap::ValueHint::AnyPath)]
    address: String,
}

/// List the remotes that this store knows
///
/// Use it to see their names and addresses. Asks none of them.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: as JSON\n  pylightnix remote list --json")]
pub(super) struct List {}

/// Forget the name of a remote
///
/// Use it when this store no longer works with it. What the remote has stays as it is.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: forget `team`\n  pylightnix remote remove team")]
pub(super) struct Remove {
    /// The name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Add {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        session.no_json("remote add")?;
        let store = session.store_or_new()?;
        store.add_remote(&self.name, &self.address)?;
        session.say(format_args!(
            "{} is {}",
            self.name,
            store.remotes()?[&self.name]
        ));
        Ok(Exit::Done)
    }
}

/// A remote in the JSON answer.
#[derive(Serialize)]
struct Known {
    name: String,
    address: String,
}

impl List {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        let remotes = session.store()?.remotes()?;
        if remotes.is_empty() {
            session.say("this store knows no remote: `remote add NAME ADDRESS` adds one");
        }
        let known = remotes
            .into_iter()
            .map(|(name, address)| Known { name, address });
        let known: Vec<Known> = known.collect();
        session.print(&known, |known, out| {
            for Known { name, address } in known {
                writeln!(out, "{}  {address}", session.paint(style::NAME, name))?;
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

impl Remove {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        session.no_json("remote remove")?;
        match session.store()?.remove_remote(&self.name)? {
            true => Ok(Exit::Done),
            false => Err(no_remote(&self.name)),
        }
    }
}

fn no_remote(name: &str) -> CommandError {
    let text = format!("this store knows no remote `{name}`");
    let error = Error::new(pylightnix::ErrorKind::Missing, text);
    CommandError::Error(error.with_help("`remote list` shows those that it knows"))
}
