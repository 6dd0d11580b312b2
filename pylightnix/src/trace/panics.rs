//! Panics as `tracing` events.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::sync::Once;
use std::thread;

/// The target of events about panics.
pub(super) const TARGET: &str = "pylightnix::panic";

/// Installs a panic hook that emits an event (`ERROR`, with the target `pylightnix::panic`) with the thread, the place and,
/// if `RUST_BACKTRACE` is set, a backtrace. So [`BuildLogs`](super::BuildLogs) writes it to the log of the stage that
/// panicked. The previous panic hook is still called. Further calls do nothing.
pub fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            emit(panic);
            before(panic);
        }));
    });
}

fn emit(panic: &panic::PanicHookInfo<'_>) {
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
