//! What `push`, `pull` and the commands of `remote` have in common: which remote, and how far a transfer is.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::Write as _;

use crate::exit::CommandResult;
use crate::session::{Session, style};
use crate::text::{count, size};
use pylightnix::Error;
use pylightnix::config::RRefId;
use pylightnix::store::remote::{Remote as Place, Transfer};

// The remote of a command. Not a doc comment, which clap would show.
#[derive(clap::Args, Debug)]
pub(super) struct At {
    /// The remote, by its name or address [default: $PYLIGHTNIX_REMOTE, else the only one that the store knows]
    #[arg(long, short = 'r', value_name = "REMOTE")]
    remote: Option<String>,
}

impl At {
    pub(super) fn open(&self, session: &Session) -> CommandResult<Place> {
        let name = self.remote.as_deref();
        // Another program of the group may read a remote without a store.
        if !session.has_store()?
            && let Some(address) = name.filter(|name| name.contains('/'))
        {
            return Ok(Place::open(address)?);
        }
        Ok(session.store()?.remote(name)?)
    }
}

/// A line on a terminal that says how far a transfer is.
pub(super) struct Display(ProgressBar);

impl Display {
    pub(super) fn new(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Display(bar)
    }

    pub(super) fn show(&self, what: &str, how_far: Transfer) {
        let Transfer {
            realizations, of, ..
        } = how_far;
        let transferred = transferred(how_far);
        self.0.set_message(format!(
            "{what}: {realizations} of {of} realizations, {transferred}"
        ));
        self.0.tick();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn transferred(how_far: Transfer) -> String {
    let objects = usize::try_from(how_far.objects).unwrap_or(usize::MAX);
    format!(
        "{} of {}",
        count(objects, "object", "objects"),
        size(how_far.bytes)
    )
}

/// Says why parts of what a remote has were passed over.
pub(super) fn say_told(session: &Session, told: &[Error]) {
    for error in told {
        session.say(format_args!(
            "{} {error}",
            session.paint_err(style::BAD, "passed over:")
        ));
    }
}

/// What a push or a pull did.
pub(super) struct Shipped<'a> {
    pub(super) rrefs: &'a [RRefId],
    pub(super) there: usize,
    pub(super) transfer: Transfer,
    pub(super) requests: u64,
    pub(super) dry: bool,
    pub(super) told: &'a [Error],
    pub(super) left_out: &'a [Error],
}

/// How what was done is said.
pub(super) struct Words {
    /// As in `nothing to send`.
    pub(super) nothing: &'static str,
    /// As in `there already`.
    pub(super) already: &'static str,
    /// As in `send`.
    pub(super) would: &'static str,
    /// As in `sent`.
    pub(super) done: &'static str,
    /// As in `to`.
    pub(super) way: &'static str,
}

impl Shipped<'_> {
    /// Prints the references, or the answer as JSON, and says below how many there are.
    pub(super) fn print(
        &self,
        session: &Session,
        answer: &impl Serialize,
        remote: &Place,
        words: &Words,
    ) -> CommandResult {
        say_told(session, self.told);
        for error in self.left_out {
            session.say_left_out(error);
        }
        session.print(answer, |_, out| {
            for rref in self.rrefs {
                writeln!(out, "{}", session.paint(style::REFERENCE, rref))?;
            }
            Ok(())
        })?;
        let Words {
            nothing,
            already,
            would,
            done,
            way,
        } = words;
        let rrefs = count(self.rrefs.len(), "realization", "realizations");
        let transfer = transferred(self.transfer);
        let url = remote.url();
        session.say(match (self.rrefs.is_empty(), self.dry) {
            (true, _) => format!(
                "{nothing}: {} {already}",
                count(self.there, "realization is", "realizations are")
            ),
            (false, true) => format!("would {would} {rrefs} {way} {url}: {transfer}"),
            (false, false) => {
                let requests = usize::try_from(self.requests).unwrap_or(usize::MAX);
                let requests = count(requests, "request", "requests");
                format!("{done} {rrefs} {way} {url}: {transfer}, {requests}")
            }
        });
        Ok(session.exit())
    }
}
