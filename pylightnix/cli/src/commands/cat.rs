//! `cat`: the bytes of an artifact.

use std::path::Path;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use pylightnix::config::RRefId;
use pylightnix::internal::open_regular;
use pylightnix::store::{EntryKind, Store};
use pylightnix::{Error, ErrorKind};

/// Print an artifact
///
/// Use it when you want to see a file of a result or pass it on. Without a path, the result must have exactly one file. A
/// terminal gets the text with its colours; pipes and files get the bytes.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: the scores of the second newest `train`, sorted\n  pylightnix cat train@2 scores.csv | sort"
)]
pub(crate) struct Cat {
    /// A name, the beginning of a reference, or a path in the store
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
    /// The artifact: its path, as `tree` shows it
    #[arg(value_name = "ARTIFACT")]
    artifact: Option<String>,
}

impl Cat {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("cat")?;
        let store = session.store()?;
        let (rref, inside) = session.artifact(&self.reference)?;
        let path = match (inside, self.artifact) {
            (None, None) => only_file(store, &rref)?,
            (Some(path), None) | (None, Some(path)) => path,
            (Some(folder), Some(path)) => format!("{folder}/{path}"),
        };
        let path = store.artifact(&rref, &path)?;
        let refused = |error| Error::io("read", &path, error);
        if path.is_dir() {
            return Err(CommandError::Error(is_folder(&path)));
        }
        session.copy(open_regular(&path).map_err(refused)?.0)?;
        Ok(Exit::Done)
    }
}

fn only_file(store: &Store, rref: &RRefId) -> CommandResult<String> {
    let record = store.record(rref)?;
    let entries = record.manifest().entries().iter();
    let files = entries.filter(|entry| entry.kind != EntryKind::Dir);
    let files: Vec<&str> = files.map(|entry| entry.path.as_str()).collect();
    match files[..] {
        [file] => Ok(file.to_owned()),
        _ => {
            let message = match files.len() {
                0 => format!("{rref} has no files"),
                count => format!("{rref} has {count} files: name one of them"),
            };
            let shown = files
                .iter()
                .take(20)
                .copied()
                .collect::<Vec<_>>()
                .join("\n  ");
            Err(Error::new(ErrorKind::Artifact, message)
                .with_help(format!("its files:\n  {shown}"))
                .into())
        }
    }
}

fn is_folder(path: &Path) -> Error {
    Error::new(
        ErrorKind::Artifact,
        format!("{} is a folder", path.display()),
    )
    .at(path)
    .with_help("`tree` shows what is in it; name a file")
}
