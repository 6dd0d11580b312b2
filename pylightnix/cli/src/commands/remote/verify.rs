//! `remote verify`: whether all is well at a remote.

use std::io::Write as _;

use crate::commands::check::percent;
use crate::commands::shipping::At;
use crate::exit::{CommandResult, Exit};
use crate::out::Out;
use crate::session::{Session, style};
use crate::text::{count, size};
use pylightnix::store::remote::Verified;

/// Read a remote, and compare everything with its hash
///
/// Use it now and then, and when a `pull` says that something is broken. Notes at the remote what is broken or missing, so that the next `push`
/// of it sends it again. The exit status is 1 if something is broken or lost.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: read a twentieth of it\n  pylightnix remote verify --sample 5 --remote /shared/results"
)]
pub(super) struct Verify {
    /// Read this percentage of the packs and blobs
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    sample: Option<f64>,
    #[command(flatten)]
    at: At,
}

impl Verify {
    pub(super) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let verified = remote.verify(self.sample.unwrap_or(100.0) / 100.0)?;
        session.print(&verified, |verified, out| {
            write_verified(session, verified, out)
        })?;
        if !verified.noted && !verified.holes.is_empty() {
            session.say("nothing was noted at the remote, which cannot be written from here");
        }
        match verified.is_sound() {
            true => Ok(Exit::Done),
            false => Ok(Exit::Failed),
        }
    }
}

fn write_verified(session: &Session, verified: &Verified, out: &mut Out) -> CommandResult<()> {
    for hole in &verified.holes {
        writeln!(
            out,
            "{} {}",
            session.paint(style::BAD, &hole.object),
            hole.message
        )?;
    }
    for rref in &verified.lost {
        writeln!(
            out,
            "{} is lost until somebody pushes it again",
            session.paint(style::REFERENCE, rref)
        )?;
    }
    let found = match verified.is_sound() {
        true => session.paint(style::GOOD, "no faults".to_owned()),
        false => session.paint(
            style::BAD,
            count(
                verified.holes.len() + verified.lost.len(),
                "fault",
                "faults",
            ),
        ),
    };
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let realizations = count(number(verified.realizations), "realization", "realizations");
    let objects = count(number(verified.objects), "object", "objects");
    writeln!(
        out,
        "{found} in {realizations}; {objects} read, {}",
        size(verified.bytes)
    )?;
    Ok(())
}
