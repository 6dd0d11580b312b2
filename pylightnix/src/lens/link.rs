//! Shared links of a chain, dropped without recursion.
//!
//! A plan owns its dependencies, which own theirs: dropping the last stage of a chain of 100,000 would recurse as deep.
//! So the last owner of a link hands what it owned to a queue of its thread, and only the outermost drop empties it.

use std::any::Any;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

/// What can hang in a chain.
pub(crate) trait Chained: Send + Sync {
    /// Forgets the type, for the queue.
    fn erase(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// An `Arc` whose drop does not recurse into other links.
pub(crate) struct Link<T: Chained + ?Sized>(Option<Arc<T>>);

impl<T: Chained + ?Sized> Link<T> {
    pub(crate) fn new(arc: Arc<T>) -> Self {
        Link(Some(arc))
    }

    pub(crate) fn arc(&self) -> &Arc<T> {
        match &self.0 {
            Some(arc) => arc,
            None => unreachable!("only drop takes the value out"),
        }
    }
}

impl<T: Chained + ?Sized> Deref for Link<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.arc()
    }
}

impl<T: Chained + ?Sized> Clone for Link<T> {
    fn clone(&self) -> Self {
        Link(self.0.clone())
    }
}

/// What the outermost drop of this thread still has to drop.
#[derive(Default)]
struct Queue {
    emptying: bool,
    waiting: Vec<Arc<dyn Any + Send + Sync>>,
}

thread_local! {
    static QUEUE: RefCell<Queue> = RefCell::default();
}

impl<T: Chained + ?Sized> Drop for Link<T> {
    fn drop(&mut self) {
        // Two threads that drop the last two owners at once may both pass this by: then one link drops in place, and
        // the links below it come here again.
        if let Some(arc) = self.0.take()
            && Arc::strong_count(&arc) == 1
        {
            drop_later(arc.erase());
        }
    }
}

fn drop_later(value: Arc<dyn Any + Send + Sync>) {
    let mut value = Some(value);
    // While the thread ends the queue may be gone: then `value` drops here, in place.
    let outermost = QUEUE.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        queue.waiting.extend(value.take());
        !std::mem::replace(&mut queue.emptying, true)
    });
    if outermost != Ok(true) {
        return;
    }
    loop {
        let next = QUEUE.try_with(|queue| {
            let mut queue = queue.borrow_mut();
            let next = queue.waiting.pop();
            queue.emptying = next.is_some();
            next
        });
        // The drop happens outside the borrow: it comes back here for what hangs below.
        match next {
            Ok(Some(next)) => drop(next),
            _ => return,
        }
    }
}
