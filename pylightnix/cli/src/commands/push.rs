//! `push`: sends results to a remote.

use super::shipping::{At, Display, Shipped, Words};
use crate::complete;
use crate::exit::CommandResult;
use crate::session::Session;
use pylightnix::Error;
use pylightnix::store::remote::{Push as Pushing, Pushed};

/// Send realizations, with everything that they were made from, to a remote
///
/// Use it when others are to have your results. What the remote has already is not sent again; if that is all, it is asked once. A push that
/// is stopped leaves nothing that counts. The remote is a name that `remote add` knows, or an address: a folder, or a bucket of an object store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: send the newest `train`, under the name `best`\n  pylightnix push train --as best --remote /shared/results"
)]
pub(crate) struct Push {
    /// Names, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all", add = complete::references())]
    references: Vec<String>,
    /// All realizations in the store that can be sent
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Give them this name at the remote, where it keeps them; another root of the name is replaced
    #[arg(long = "as", value_name = "NAME", conflicts_with = "all")]
    root: Option<String>,
    /// Say what would be sent, and send nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    at: At,
}

impl Push {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let store = session.store()?;
        let remote = self.at.open(session)?;
        let display = Display::new("looks what the remote has");
        let observer = |how_far| display.show("sending", how_far);
        let mut pushing = Pushing::new(store, &remote).observe(&observer);
        if let Some(root) = &self.root {
            pushing = pushing.root(root);
        }
        if self.dry_run {
            pushing = pushing.dry_run();
        }
        let (pushed, left_out): (Pushed, Vec<Error>) = match self.all {
            true => pushing.run_every()?,
            false => (
                pushing.run(session.realizations(&self.references)?)?,
                Vec::new(),
            ),
        };
        drop(display);
        let shipped = Shipped {
            rrefs: &pushed.rrefs,
            there: pushed.there,
            transfer: pushed.sent,
            requests: pushed.requests,
            dry: pushed.dry,
            told: &pushed.told,
            left_out: &left_out,
        };
        let words = Words {
            nothing: "nothing to send",
            already: "there already",
            would: "send",
            done: "sent",
            way: "to",
        };
        shipped.print(session, &pushed, &remote, &words)
    }
}
