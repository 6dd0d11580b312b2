//! Catches panics of stages, matchers and observers, with their messages and source locations.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

use crate::Error;

thread_local! {
    /// The message and the location of the last panic on this thread, until they are taken.
    static LAST: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Calls `work`. If it panics, returns the message and the location.
pub(in crate::realize) fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    LAST.take();
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| text(&*panic))
}

/// Installs a panic hook, because only a hook receives the location of a panic. The previous hook is still called.
fn install_hook() {
    static ONCE: Once = Once::new();
    // Changing the hook while this thread panics would abort the process.
    if ONCE.is_completed() || thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let last = panic
                .location()
                .map(|place| (said(panic.payload()), place.to_string()));
            // While a thread exits, its thread-local storage may be gone.
            let _ = LAST.try_with(|known| known.replace(last));
            before(panic);
        }));
    });
}

fn text(panic: &(dyn Any + Send)) -> String {
    if let Some(error) = panic.downcast_ref::<Error>() {
        // The files of a dependency, which the library could not fetch.
        return format!("{error:?}");
    }
    let said = said(panic);
    match LAST.take() {
        // The location of a panic that was resumed from another thread is stored in that thread.
        Some((text, place)) if text == said => format!("it panicked: {said} (at {place})"),
        _ => format!("it panicked: {said}"),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
