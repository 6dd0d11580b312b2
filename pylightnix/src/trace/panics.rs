//! Panics as events.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::sync::Once;
use std::thread;

/// The target of events that say that something panicked.
pub(super) const TARGET: &str = "pylightnix::panic";

/// Makes each panic an event too (`ERROR`, with the target `pylightnix::panic`), which says the thread, the place and, if
/// `RUST_BACKTRACE` asks for it, the way there: so [`BuildLogs`](super::BuildLogs) has it in the log of the stage that
/// panicked. What was done at a panic before is done as well; further calls do nothing.
pub fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            say(panic);
            before(panic);
        }));
    });
}

fn say(panic: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name").to_owned();
    let place = match panic.location() {
        Some(place) => format!(" at {place}"),
        None => String::new(),
    };
    let payload = panic.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    let trace = Backtrace::capture();
    let trace = match trace.status() {
        BacktraceStatus::Captured => format!("\n{trace}"),
        _ => String::new(),
    };
    tracing::error!(target: TARGET, "thread `{thread}` panicked{place}: {text}{trace}");
}
