//! What ends a run before its end: Ctrl-C, which asks in a run that another process can go on with, and `attach --cancel`.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::exit::CommandResult;
use crate::journal::Journal;
use pylightnix::realize::Cancel;

/// What a run on other machines does when it is left.
pub(crate) struct Leaving {
    /// Ends the display.
    pub(crate) end_display: Box<dyn Fn() + Send>,
    /// Starts another driver, and returns what to say.
    pub(crate) leave: Box<dyn Fn() -> CommandResult<String> + Send>,
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Returns the token that Ctrl-C cancels, after it was asked whether the run is to be left instead. A second Ctrl-C ends the process.
pub(crate) fn asking(leaving: Leaving) -> CommandResult<Cancel> {
    let cancel = Cancel::new();
    let before = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, before.clone())?;
        flag::register(signal, before.clone())?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let used = cancel.clone();
    let wait = move || {
        let signal = signals.forever().next();
        if signal != Some(SIGINT) || !is_left(&leaving) {
            used.cancel();
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(cancel)
}

/// Asks, and leaves the run if that is the answer. Returns `false` if the run is to be cancelled.
fn is_left(leaving: &Leaving) -> bool {
    (leaving.end_display)();
    let Ok(true) = ask() else {
        return false;
    };
    match (leaving.leave)() {
        Ok(said) => {
            let _ = writeln!(io::stderr(), "{said}");
            // Its tasks go on.
            process::exit(0);
        }
        Err(fault) => {
            let why = fault.report().unwrap_or_default();
            let _ = writeln!(io::stderr(), "the run cannot be left: {why}");
            false
        }
    }
}

/// Asks on the terminal whether the run goes on.
fn ask() -> io::Result<bool> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let mut answers = BufReader::new(terminal.try_clone()?);
    for _ in 0..3 {
        write!(
            &terminal,
            "leave the run going, or cancel it? [l/c] (Ctrl-C ends it at once) "
        )?;
        let mut answer = String::new();
        if answers.read_line(&mut answer)? == 0 {
            break;
        }
        match answer.trim().to_lowercase().as_str() {
            "l" | "leave" => return Ok(true),
            "c" | "cancel" => return Ok(false),
            _ => {}
        }
    }
    Ok(false)
}

/// How often it is looked whether somebody asked to cancel the run.
const LOOK: Duration = Duration::from_millis(500);

/// Cancels a run when somebody asks for it by `attach --cancel`, until it is dropped.
pub(crate) struct CancelWatch {
    // Closed on drop, which ends the thread.
    _end: Sender<()>,
}

impl CancelWatch {
    pub(crate) fn begin(journal: &Journal, cancel: &Cancel) -> Self {
        let (end, ended) = channel();
        let (journal, cancel) = (journal.clone(), cancel.clone());
        let watch = move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if journal.is_asked_to_cancel() {
                    cancel.cancel();
                    break;
                }
            }
        };
        // Without it, the run can still be cancelled by a signal.
        let _ = thread::Builder::new()
            .name("cancel".to_owned())
            .spawn(watch);
        CancelWatch { _end: end }
    }
}
