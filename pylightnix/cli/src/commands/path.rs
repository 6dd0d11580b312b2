//! `path`: prints paths in the store.

use serde::Serialize;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::complete;
use crate::exit::{CommandResult, Exit};
use crate::session::Session;

/// Print the path of a realization or of one of its artifacts
///
/// Use it when another program reads a result. A name gives the folder of artifacts of its newest realization. The files
/// are read-only; copy them before you change them.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: look at the newest model's scores\n  less \"$(pylightnix path train scores.json)\""
)]
pub(crate) struct PathOf {
    /// A name, the beginning of a reference, or a link to a result
    #[arg(value_name = "REF", add = complete::references())]
    reference: String,
    /// An artifact of that realization
    #[arg(value_name = "ARTIFACT")]
    artifact: Option<String>,
    /// Print the folder of the derivation
    #[arg(long, conflicts_with = "artifact")]
    derivation: bool,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer {
    reference: String,
    path: PathBuf,
}

impl PathOf {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let answer = if self.derivation {
            let dref = session.derivation(&self.reference)?;
            Answer {
                path: store.derivation_dir(&dref),
                reference: dref.to_string(),
            }
        } else {
            let (rref, inside) = session.artifact(&self.reference)?;
            let path = match (inside, self.artifact) {
                (None, None) => {
                    store.expect_files(&rref)?;
                    store.out_dir(&rref)
                }
                (Some(path), None) | (None, Some(path)) => store.artifact(&rref, &path)?,
                (Some(folder), Some(path)) => store.artifact(&rref, &format!("{folder}/{path}"))?,
            };
            Answer {
                path,
                reference: rref.to_string(),
            }
        };
        session.print(&answer, |answer, out| {
            // Unfiltered for scripts.
            match session.is_terminal() {
                true => writeln!(out, "{}", answer.path.display())?,
                false => {
                    out.raw().write_all(answer.path.as_os_str().as_bytes())?;
                    writeln!(out)?;
                }
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
