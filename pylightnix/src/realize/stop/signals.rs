//! Ctrl-C.

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
    /// The token that is used when this process gets `SIGINT`, as Ctrl-C sends it, or `SIGTERM`. A second signal ends the
    /// process at once, with status 130 or 143: nothing in a store is harmed by that, and child processes of stages end
    /// too.
    ///
    /// There is one for the process, and it stays used. It is there with the feature `signals`.
    ///
    /// # Errors
    /// The system lets nobody wait for signals.
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
    // First of all the second one: it has to work whatever state the program is in, so a handler does it.
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
