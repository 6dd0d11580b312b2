//! `remote roots`: under which names a remote keeps results.

use std::io::Write as _;

use crate::commands::shipping::At;
use crate::exit::{CommandResult, Exit};
use crate::session::{Session, style};
use pylightnix::Error;

/// List the roots of a remote, or remove one
///
/// Use it to see under which names results are kept there.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: keep `best` no longer\n  pylightnix remote roots --remove best --remote /shared/results"
)]
pub(super) struct Roots {
    /// Remove this root; what it kept stays until `remote gc` deletes it
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
    #[command(flatten)]
    at: At,
}

impl Roots {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        if let Some(name) = &self.remove {
            session.no_json("remote roots --remove")?;
            return match remote.remove_root(name)? {
                true => Ok(Exit::Done),
                false => {
                    let text = format!("the remote {} has no root `{name}`", remote.url());
                    Err(Error::new(pylightnix::ErrorKind::Missing, text).into())
                }
            };
        }
        let roots = remote.roots()?;
        session.print(&roots, |roots, out| {
            for root in roots {
                for rref in &root.rrefs {
                    let (name, rref) = (
                        session.paint(style::NAME, &root.name),
                        session.paint(style::REFERENCE, rref),
                    );
                    writeln!(out, "{name}  {rref}")?;
                }
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
