//! Reference-counted links of a chain, which are dropped without recursion.
//!
//! A plan owns its dependencies, which own theirs: a naive drop of a chain of 100,000 stages would overflow the stack. So
//! the last owner of a link puts the value into a thread-local queue, which the outermost drop empties.

use std::any::Any;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

/// A value that a [`Link`] can own.
pub(crate) trait Chained: Send + Sync {
    /// Erases the type, for the queue.
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

/// The values that the outermost drop of this thread still has to drop.
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
        // If two threads drop the last two owners at once, both may see a count of 2. Then one link is dropped in place, and
        // the links below it are queued.
        if let Some(arc) = self.0.take()
            && Arc::strong_count(&arc) == 1
        {
            drop_later(arc.erase());
        }
    }
}

fn drop_later(value: Arc<dyn Any + Send + Sync>) {
    let mut value = Some(value);
    // While the thread exits the queue may be gone: then `value` is dropped in place, here.
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
        // Drop outside the borrow: it calls this function for the links below.
        match next {
            Ok(Some(next)) => drop(next),
            _ => return,
        }
    }
}
