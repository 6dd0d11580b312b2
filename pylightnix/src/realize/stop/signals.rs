//! Cancellation by Ctrl-C and `SIGTERM`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use once_cell::sync::OnceCell;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::realize::stop::cancel::Cancel;
use crate::{Error, ErrorKind, Result};

impl Cancel {
    /// Returns the token that `SIGINT`, which Ctrl-C sends, and `SIGTERM` cancel. A second signal ends the process
    /// immediately, with status 130 or 143; this does not damage a store, and child processes of stages end too.
    ///
    /// There is one such token in a process, and it stays cancelled. Requires the feature `signals`.
    ///
    /// # Errors
    /// Fails if the handlers cannot be installed.
    ///
    /// ```no_run
    /// # use pylightnix::prelude::*;
    /// # use pylightnix::realize::Cancel;
    /// # #[derive(Config)] pub struct Interrupted {}
    /// # #[stage] fn interrupted(b: &Build<Interrupted>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let plan = instantiate(Interrupted::new())?;
    /// let store = Store::open_default()?;
    /// Realize::new(&store).cancel(&Cancel::on_signals()?).run(&plan)?;
    /// # Ok(()) }
    /// ```
    pub fn on_signals() -> Result<Cancel> {
        static TOKEN: OnceCell<Cancel> = OnceCell::new();
        let refused = |error| {
            Error::new(
                ErrorKind::Io,
                "cannot wait for the signals SIGINT and SIGTERM",
            )
            .because(error)
        };
        TOKEN.get_or_try_init(listen).cloned().map_err(refused)
    }
}

fn listen() -> io::Result<Cancel> {
    let cancel = Cancel::new();
    let before = Arc::new(AtomicBool::new(false));
    // The handler for the second signal comes first, because it has to work in any state of the program.
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, before.clone())?;
        flag::register(signal, before.clone())?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let used = cancel.clone();
    let wait = move || {
        if signals.forever().next().is_some() {
            used.cancel();
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(cancel)
}
