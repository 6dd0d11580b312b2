//! Stopping runs from outside.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::realize::stop::watchdog::Watchdog;

/// Stops runs from outside: give it to [`Realize::cancel`](crate::realize::Realize::cancel), and call [`cancel`](Self::cancel) from any
/// thread. Its clones are the same one.
///
/// Then no run begins any more. Stages that run are told: `b.check()?` fails, and their child processes end. What is
/// published by then stays, and so does what a stage finishes all the same.
///
/// ```standalone_crate
/// # use pylightnix::prelude::*;
/// use pylightnix::ErrorKind;
/// use pylightnix::realize::Cancel;
/// # #[derive(Config)] pub struct Search { pub from: u64 }
///
/// #[stage]
/// fn search(b: &Build<Search>) -> Result<()> {
///     for number in b.from.. {
///         b.check()?;
///         if number == 0 {
///             break;
///         }
///     }
///     Ok(())
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// let cancel = Cancel::new();
/// let button = cancel.clone();
/// std::thread::spawn(move || button.cancel());
///
/// let search = instantiate(Search::new(1))?;
/// let error = Realize::new(&store).cancel(&cancel).run(&search).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Cancel(Arc<Token>);

#[derive(Default)]
struct Token {
    cancelled: AtomicBool,
    runs: Mutex<Vec<Weak<Watchdog>>>,
}

impl Cancel {
    /// One that was not used.
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Stops all runs that it was given to, and those that it is given to later. Not to be called from within a signal
    /// handler: it takes locks.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        let runs = std::mem::take(&mut *self.0.runs.lock().unwrap_or_else(PoisonError::into_inner));
        for run in runs.iter().filter_map(Weak::upgrade) {
            run.cancel();
        }
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Tells this run, now if it was used already.
    pub(in crate::realize) fn reach(&self, run: &Arc<Watchdog>) {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|run| run.strong_count() > 0);
        runs.push(Arc::downgrade(run));
        drop(runs);
        if self.is_cancelled() {
            run.cancel();
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}
