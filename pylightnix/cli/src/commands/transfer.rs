//! `transfer`: one end of a copy between machines. It is hidden: `copy` starts it at the other end.

use std::io::{self, Read};

use crate::exit::{CommandError, CommandResult, Exit};
use crate::session::Session;
use pylightnix::config::RRefId;
use pylightnix::store::{ArchiveFile, Lacking, Offer, Pack, Store, Unpack};

/// Be the other end of a copy, on standard input and output
#[derive(clap::Args, Debug)]
#[command(
    hide = true,
    after_help = "Example: what `copy train --from ssh://host/store` starts on that host\n  pylightnix --store /store transfer send train"
)]
pub(crate) struct Transfer {
    #[command(subcommand)]
    side: Side,
}

#[derive(clap::Subcommand, Debug)]
enum Side {
    /// Receive what is offered, and lacking here
    Receive,
    /// Send these results
    Send {
        /// Names, or beginnings of references; none for all realizations
        #[arg(value_name = "REF")]
        references: Vec<String>,
    },
}

impl Transfer {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("transfer")?;
        match self.side {
            Side::Receive => {
                receive(session.store_or_new()?, &mut io::stdin(), io::stdout())?;
            }
            Side::Send { references } => {
                let store = session.store()?;
                let roots = match references.is_empty() {
                    true => store.rrefs()?,
                    false => session.realizations(&references)?,
                };
                send(store, &roots, &mut io::stdin(), &mut io::stdout())?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Offers results, and sends what is lacking on the other side. Returns all that was offered.
pub(crate) fn send(
    store: &Store,
    roots: &[RRefId],
    from: &mut impl Read,
    to: &mut impl io::Write,
) -> CommandResult<Vec<RRefId>> {
    let offer = store.offer(roots)?;
    offer.write_to(to)?;
    let lacking = Lacking::read_from(&offer, from)?;
    if !lacking.is_empty() {
        Pack::new(store).write_lacking_to(&offer, &lacking, to)?;
    }
    to.flush().map_err(CommandError::from)?;
    Ok(offer.rrefs().cloned().collect())
}

/// Receives what is lacking here of what the other side offers. Returns all that was offered.
pub(crate) fn receive(
    store: &Store,
    from: &mut impl Read,
    mut to: impl io::Write,
) -> CommandResult<Vec<RRefId>> {
    let offer = Offer::read_from(from)?;
    let lacking = store.lacking(&offer)?;
    lacking.write_to(&mut to)?;
    // There is nothing more to say.
    drop(to);
    if !lacking.is_empty() {
        let archive = ArchiveFile::from_stream(from, "what the other store sends", Some(store))?;
        Unpack::new(store).thin().read_file(&archive)?;
    }
    Ok(offer.rrefs().cloned().collect())
}
