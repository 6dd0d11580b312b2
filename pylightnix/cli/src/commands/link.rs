//! `link`: makes links to results, which keep them.

use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

use crate::complete;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use pylightnix::config::RRefId;
use pylightnix::{Error, ErrorKind};

/// Make a link to a result, which keeps it from garbage collection
///
/// Use it when you want a result at a path of your own. As long as the link exists, garbage collection keeps the result and
/// everything that it was made from; removing the link releases them.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep the newest `train` as ./model\n  pylightnix link train model"
)]
pub(crate) struct Link {
    /// A name, or the beginning of a reference
    #[arg(value_name = "REF", add = complete::references(), required_unless_present = "remove")]
    reference: Option<String>,
    /// The path of the link [default: ./result]
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    path: Option<PathBuf>,
    /// Make the link in the folder PATH [default: .], under a name in which `{name}`, `{time}`, `{number}` and `{hash}` stand for
    /// those of the result
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["derivation", "remove"])]
    named: Option<String>,
    /// Link to the derivation's folder, with all its realizations; such a link keeps nothing
    #[arg(long)]
    derivation: bool,
    /// Remove this link
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath, conflicts_with_all = ["reference", "derivation"])]
    remove: Option<PathBuf>,
}

/// The JSON answer.
#[derive(Serialize)]
struct Answer {
    link: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    rref: Option<RRefId>,
    target: PathBuf,
}

impl Link {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        if let Some(path) = self.remove {
            return match store.unlink(&path)? {
                true => Ok(Exit::Done),
                false => {
                    let message = format!("nothing is at {}", path.display());
                    Err(Error::new(ErrorKind::Missing, message).at(&path).into())
                }
            };
        }
        let Some(reference) = self.reference else {
            return Err(CommandError::Usage(
                "name the result that the link leads to".to_owned(),
            ));
        };
        let default = match self.named {
            Some(_) => ".",
            None => "result",
        };
        let link = self.path.unwrap_or_else(|| PathBuf::from(default));
        let answer = if let Some(pattern) = &self.named {
            let rref = session.realization(&reference)?;
            Answer {
                link: store.link_named(&rref, &link, pattern)?,
                target: store.out_dir(&rref),
                rref: Some(rref),
            }
        } else if self.derivation {
            let dref = session.derivation(&reference)?;
            store.link_derivation(&dref, &link)?;
            Answer {
                link,
                rref: None,
                target: store.derivation_dir(&dref),
            }
        } else {
            let rref = session.realization(&reference)?;
            store.link(&rref, &link)?;
            Answer {
                link,
                target: store.out_dir(&rref),
                rref: Some(rref),
            }
        };
        session.print(&answer, |answer, out| {
            Ok(writeln!(
                out,
                "{} -> {}",
                answer.link.display(),
                answer.target.display()
            )?)
        })?;
        Ok(Exit::Done)
    }
}
