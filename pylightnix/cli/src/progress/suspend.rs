//! Handles Ctrl-Z: removes the display while the program is stopped, and draws it again afterwards.
//!
//! Child processes of stages are in process groups of their own, so they are stopped and continued here.
//!
//! Without this, the shell would write its prompt into the display, the child processes of stages would continue, and after
//! `fg` the cursor would not be where the display begins. Restoring the terminal modes (`tcsetattr`) is not enough, because
//! the lines have to be removed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use once_cell::sync::OnceCell;
use rustix::process::{Signal, getpid, getsid};
use signal_hook::consts::SIGTSTP;
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::screen::Screen;
use pylightnix::internal::signal_children;

/// The active display.
static SHOWN: Mutex<Weak<Screen>> = Mutex::new(Weak::new());

/// A guard: while it lives, the display is removed when the program is stopped.
pub(super) struct Suspend {
    /// Whether the signal has its default effect: a handler for a signal cannot be removed again.
    is_plain: &'static Arc<AtomicBool>,
}

impl Suspend {
    pub(super) fn of(screen: &Arc<Screen>) -> io::Result<Self> {
        static IS_PLAIN: OnceCell<Arc<AtomicBool>> = OnceCell::new();
        let is_plain = IS_PLAIN.get_or_try_init(listen)?;
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(screen);
        is_plain.store(false, SeqCst);
        Ok(Suspend { is_plain })
    }
}

impl Drop for Suspend {
    fn drop(&mut self) {
        self.is_plain.store(true, SeqCst);
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    }
}

fn listen() -> io::Result<Arc<AtomicBool>> {
    let is_plain = Arc::new(AtomicBool::new(true));
    flag::register_conditional_default(SIGTSTP, is_plain.clone())?;
    let mut signals = Signals::new([SIGTSTP])?;
    let wait = move || {
        for _ in signals.forever() {
            let screen = SHOWN
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .upgrade();
            // Without a shell above it, the program would never be continued.
            if let Some(screen) = screen
                && getsid(None).is_ok_and(|session| session != getpid())
            {
                screen.without(stop);
            }
        }
    };
    let thread = thread::Builder::new().name("suspend".to_owned());
    thread.spawn(wait)?;
    Ok(is_plain)
}

/// Stops the process, and returns when it is continued.
fn stop() {
    signal_children(Signal::STOP);
    // The default handler stops the process.
    let _ = emulate_default_handler(SIGTSTP);
    signal_children(Signal::CONT);
}
