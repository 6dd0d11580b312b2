//! Cancellation tokens.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::realize::stop::watchdog::Watchdog;

/// A cancellation token: pass it to [`Realize::cancel`](crate::realize::Realize::cancel), and call [`cancel`](Self::cancel)
/// from any thread. Clones share one state.
///
/// After that, no further run begins. Running stages are told to stop: `b.check()?` fails, and their child processes get
/// `SIGTERM`. Results that were published stay, and so does the result of a stage that completes anyway.
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
    /// Creates a token that is not cancelled.
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Cancels all runs that have this token, and all later ones. Do not call it in a signal handler, because it takes
    /// locks.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        let runs = std::mem::take(&mut *self.0.runs.lock().unwrap_or_else(PoisonError::into_inner));
        for run in runs.iter().filter_map(Weak::upgrade) {
            run.cancel();
        }
    }

    /// Returns whether the token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Registers a run, and cancels it at once if the token is cancelled already.
    pub(in crate::realize) fn register(&self, run: &Arc<Watchdog>) {
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
