//! `key`: makes the own key, and keeps the public keys of others.

use serde::Serialize;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::{Session, style};
use crate::table::{Cell, Column, Table};
use pylightnix::keys::{KeyStanding, Keys, KnownKey};
use pylightnix::{Error, ErrorKind};

/// Make a key that signs your results, and keep the public keys of others
///
/// Use it when people share results, and want to know who vouches for one. Once a key was generated here, each result that is built and
/// each acceptance is signed with it; `run --trust` takes only results that certain keys signed. Keys are outside any store: in
/// `$PYLIGHTNIX_KEYS`, or else in `~/.config/pylightnix/keys`. Their names mean something to you alone.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_required = true,
    after_help = "Example: export the public key `alice` to a file\n  pylightnix key list --pem alice > alice.pem"
)]
pub(crate) struct KeyOf {
    #[command(subcommand)]
    command: Of,
}

#[derive(clap::Subcommand, Debug)]
enum Of {
    /// Make the own key
    Generate {
        /// The name of the key here
        name: String,
    },
    /// List the keys that have a name here
    List {
        /// Print the public key with this name, as a PEM file
        #[arg(long, value_name = "NAME")]
        pem: Option<String>,
    },
    /// Add the public key of another person, under a name for `run --trust`
    Trust {
        /// The name of the key here
        name: String,
        /// The PEM file with the public key; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Let nothing of a key count any more; an own key is removed
    Revoke {
        /// Its name or identifier
        name: String,
    },
    /// Sign the builds and acceptances of results that are here already
    ///
    /// A signature says that you vouch for it: that its code gave this result.
    Sign {
        /// Names or beginnings of references
        #[arg(value_name = "REF", required = true, add = crate::complete::references())]
        references: Vec<String>,
    },
}

/// A key in the JSON answer.
#[derive(Serialize)]
struct Row {
    name: String,
    id: String,
    standing: &'static str,
}

impl Row {
    fn of(known: &KnownKey) -> Self {
        Row {
            name: known.name.clone(),
            id: known.key.id().to_string(),
            standing: known.standing.word(),
        }
    }
}

impl KeyOf {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let keys = || {
            Keys::of_user().ok_or_else(|| {
                Error::new(ErrorKind::Key, "there is no folder for keys")
                    .with_help("set `HOME`, or `PYLIGHTNIX_KEYS` to a folder")
            })
        };
        match self.command {
            Of::Generate { name } => {
                let keys = keys()?;
                let key = keys.generate(&name)?;
                session.say(format_args!(
                    "made the key {} in {}: what is built and accepted from now on is signed with it",
                    key.id(),
                    keys.folder().display()
                ));
            }
            Of::List { pem: Some(name) } => {
                let pem = keys()?.named(&name)?.key.to_pem();
                session.print(&pem, |pem, out| Ok(write!(out, "{pem}")?))?;
            }
            Of::List { pem: None } => list(session, &keys()?)?,
            Of::Trust { name, file } => {
                let pem = read(&file)?;
                let key = keys()?.trust(&name, &pem)?;
                session.say(format_args!("{name} is the key {}", key.id()));
            }
            Of::Revoke { name } => {
                let known = keys()?.revoke(&name)?;
                session.say(format_args!("nothing of {} counts any more", known.name));
            }
            Of::Sign { references } => {
                let store = session.store()?;
                for reference in references {
                    let rref = session.realization(&reference)?;
                    let new = store.sign(&rref)?;
                    session.say(format_args!("{new} new signatures of {rref}"));
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn list(session: &Session, keys: &Keys) -> CommandResult<()> {
    let known = keys.list()?;
    if known.is_empty() {
        session.say(format_args!(
            "there are no keys in {}",
            keys.folder().display()
        ));
    }
    let rows: Vec<Row> = known.iter().map(Row::of).collect();
    session.print(&rows, |rows, out| {
        let columns = [
            Column::left("NAME").shrinks(),
            Column::left("KEY"),
            Column::left("STANDING"),
        ];
        let mut table = Table::new(session, columns);
        for row in rows {
            let color = match row.standing == KeyStanding::Revoked.word() {
                true => style::FAINT,
                false => style::NAME,
            };
            table.row([
                Cell::styled(row.name.clone(), color),
                row.id.clone().into(),
                row.standing.into(),
            ]);
        }
        Ok(table.write(out)?)
    })
}

fn read(file: &Path) -> CommandResult<String> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => io::stdin().read_to_string(&mut text).map(drop),
        false => fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| CommandError::from(Error::io("read", file, error)))?;
    Ok(text)
}
