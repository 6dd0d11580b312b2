//! Hashing what passes by, while the next part of it is read and written.

use sha2::{Digest as _, Sha256};
use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use crate::config::Digest;
use crate::store::disk::parallel::cores;

/// So much is read at once, and small enough to stay in a processor's cache on the way.
const BUFFER: usize = 256 << 10;
/// So many parts are under way between the two threads.
const BUFFERS: usize = 4;
/// Below this, hashing is done sooner than a thread is started.
const LARGE: u64 = 4 << 20;

/// Bytes on their way: each part is put into the buffer, used, and then passed.
pub(in crate::store) struct Passing {
    buffer: Vec<u8>,
    size: u64,
    hasher: Hasher,
}

enum Hasher {
    Nobody,
    Here(Sha256),
    /// Takes full buffers, with how much is in them, and gives empty ones back.
    Beside(SyncSender<(Vec<u8>, usize)>, Receiver<Vec<u8>>),
}

impl Passing {
    fn new(size: u64, hasher: Hasher) -> Self {
        // One byte more than there should be, to see that there is not.
        let length = (BUFFER as u64).min(size.saturating_add(1)) as usize;
        Passing {
            buffer: vec![0; length],
            size: 0,
            hasher,
        }
    }

    /// Hashes nothing.
    pub(in crate::store) fn unhashed(size: u64) -> Self {
        Self::new(size, Hasher::Nobody)
    }

    /// Where the next part goes.
    pub(in crate::store) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// How many bytes have passed.
    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    /// Passes so many bytes of the buffer, which is another one then.
    pub(in crate::store) fn pass(&mut self, length: usize) {
        self.size += length as u64;
        match &mut self.hasher {
            Hasher::Nobody => {}
            Hasher::Here(hasher) => hasher.update(&self.buffer[..length]),
            Hasher::Beside(full, empty) => {
                let _ = full.send((mem::take(&mut self.buffer), length));
                // None comes from a thread that panicked, which is seen when it is joined.
                self.buffer = empty.recv().unwrap_or_else(|_| vec![0; BUFFER]);
            }
        }
    }
}

/// Lets `work` pass about `size` bytes, and gives what it gives, with the sha256 of all that has passed. Much is hashed by
/// a thread of its own.
pub(in crate::store) fn hash_passing<R>(
    size: u64,
    work: impl FnOnce(&mut Passing) -> R,
) -> (R, Digest) {
    match size >= LARGE && cores() > 1 {
        true => hash_beside(size, work),
        false => hash_here(size, work),
    }
}

fn hash_here<R>(size: u64, work: impl FnOnce(&mut Passing) -> R) -> (R, Digest) {
    let mut passing = Passing::new(size, Hasher::Here(Sha256::new()));
    let done = work(&mut passing);
    let digest = match passing.hasher {
        Hasher::Here(hasher) => Digest(hasher.finalize().into()),
        _ => unreachable!("it was made here"),
    };
    (done, digest)
}

fn hash_beside<R>(size: u64, work: impl FnOnce(&mut Passing) -> R) -> (R, Digest) {
    let (full, filled) = sync_channel::<(Vec<u8>, usize)>(BUFFERS);
    let (emptied, empty) = channel();
    for _ in 1..BUFFERS {
        let _ = emptied.send(vec![0; BUFFER]);
    }
    let hash = move || {
        let mut hasher = Sha256::new();
        for (buffer, length) in filled {
            hasher.update(&buffer[..length]);
            let _ = emptied.send(buffer);
        }
        Digest(hasher.finalize().into())
    };
    thread::scope(|scope| {
        // A system out of threads is no reason to fail.
        let Ok(thread) = thread::Builder::new().spawn_scoped(scope, hash) else {
            return hash_here(size, work);
        };
        let mut passing = Passing::new(size, Hasher::Beside(full, empty));
        let done = work(&mut passing);
        // So that the thread sees the end.
        drop(passing);
        let digest = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        (done, digest)
    })
}
