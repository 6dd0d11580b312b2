//! `pull`: fetches results from a remote.

use super::shipping::{At, Display, Shipped, Words};
use crate::exit::CommandResult;
use crate::session::Session;
use pylightnix::store::remote::{Pull as Pulling, Pulled};

/// Fetch realizations, with everything that they were made from, from a remote
///
/// Use it when others have results that you want here. Nothing at the remote is trusted: every byte is hashed, and compared with the reference,
/// before anything is published. What is damaged or missing there is left out, and said; the exit status is 1 then.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: see what would come, and fetch it\n  pylightnix pull best --remote /shared/results --dry-run"
)]
pub(crate) struct Pull {
    /// Names of stages or of roots at the remote, or beginnings of references
    #[arg(value_name = "REF", required_unless_present = "all")]
    references: Vec<String>,
    /// All realizations that the remote has
    #[arg(long, conflicts_with = "references")]
    all: bool,
    /// Say what would be fetched, and fetch nothing but the index
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    at: At,
}

impl Pull {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        let remote = self.at.open(session)?;
        let display = Display::new("looks what the remote has");
        let known = match session.has_store()? {
            true => Some(session.store()?),
            false => None,
        };
        // Asked first, so that a word that stands for nothing makes no store.
        let rrefs = match self.all {
            true => None,
            false => Some(remote.refer(known, &self.references)?),
        };
        let store = session.store_or_new()?;
        let observer = |how_far| display.show("fetching", how_far);
        let mut pulling = Pulling::new(store, &remote).observe(&observer);
        if self.dry_run {
            pulling = pulling.dry_run();
        }
        let pulled: Pulled = match rrefs {
            Some(rrefs) => pulling.run(rrefs)?,
            None => pulling.run_every()?,
        };
        drop(display);
        let shipped = Shipped {
            rrefs: &pulled.rrefs,
            there: pulled.there,
            transfer: pulled.fetched,
            requests: remote.requests(),
            dry: pulled.dry,
            told: &pulled.told,
            left_out: &pulled.left_out,
        };
        let words = Words {
            nothing: "nothing was fetched",
            already: "here already",
            would: "fetch",
            done: "fetched",
            way: "from",
        };
        shipped.print(session, &pulled, &remote, &words)
    }
}
