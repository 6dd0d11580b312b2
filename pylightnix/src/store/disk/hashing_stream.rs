//! Hashing a stream of bytes in parallel with reading and writing it.

use sha2::{Digest as _, Sha256};
use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use crate::config::Digest;
use crate::store::disk::parallel::cores;

/// Buffer size: small enough to stay in a processor's cache between reading, writing and hashing.
const BUFFER: usize = 256 << 10;
/// Number of buffers that circulate between the two threads.
const BUFFERS: usize = 4;
/// Streams below this size are hashed inline: starting a thread would take longer.
const LARGE: u64 = 4 << 20;

/// A stream being hashed. Fill the buffer, use the bytes, then pass them on to the hasher.
pub(in crate::store) struct HashingStream {
    buffer: Vec<u8>,
    size: u64,
    hasher: Hasher,
}

enum Hasher {
    None,
    Inline(Sha256),
    /// Sends full buffers with their lengths to the hashing thread, and receives empty ones.
    Thread(SyncSender<(Vec<u8>, usize)>, Receiver<Vec<u8>>),
}

impl HashingStream {
    fn new(size: u64, hasher: Hasher) -> Self {
        // One byte of room beyond the expected size detects a stream that is longer.
        let length = (BUFFER as u64).min(size.saturating_add(1)) as usize;
        HashingStream {
            buffer: vec![0; length],
            size: 0,
            hasher,
        }
    }

    /// Returns a stream that counts bytes without hashing them.
    pub(in crate::store) fn unhashed(size: u64) -> Self {
        Self::new(size, Hasher::None)
    }

    /// Returns the buffer to fill with the next bytes.
    pub(in crate::store) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Returns the number of bytes passed on so far.
    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    /// Passes the first `length` bytes of the buffer to the hasher. The buffer may be another one afterwards.
    pub(in crate::store) fn pass(&mut self, length: usize) {
        self.size += length as u64;
        match &mut self.hasher {
            Hasher::None => {}
            Hasher::Inline(hasher) => hasher.update(&self.buffer[..length]),
            Hasher::Thread(full, empty) => {
                let _ = full.send((mem::take(&mut self.buffer), length));
                // The channel is closed only if the hashing thread panicked, which `join` reports.
                self.buffer = empty.recv().unwrap_or_else(|_| vec![0; BUFFER]);
            }
        }
    }
}

/// Runs `work` on a stream of about `size` bytes, and returns its result and the SHA-256 of all bytes passed. Hashes large
/// streams on a second thread.
pub(in crate::store) fn hash_passing<R>(
    size: u64,
    work: impl FnOnce(&mut HashingStream) -> R,
) -> (R, Digest) {
    match size >= LARGE && cores() > 1 {
        true => hash_on_thread(size, work),
        false => hash_inline(size, work),
    }
}

fn hash_inline<R>(size: u64, work: impl FnOnce(&mut HashingStream) -> R) -> (R, Digest) {
    let mut passing = HashingStream::new(size, Hasher::Inline(Sha256::new()));
    let done = work(&mut passing);
    let digest = match passing.hasher {
        Hasher::Inline(hasher) => Digest(hasher.finalize().into()),
        _ => unreachable!("it was made here"),
    };
    (done, digest)
}

fn hash_on_thread<R>(size: u64, work: impl FnOnce(&mut HashingStream) -> R) -> (R, Digest) {
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
        // Failing to start a thread is not an error: hash inline.
        let Ok(thread) = thread::Builder::new().spawn_scoped(scope, hash) else {
            return hash_inline(size, work);
        };
        let mut passing = HashingStream::new(size, Hasher::Thread(full, empty));
        let done = work(&mut passing);
        // Closes the channel, which ends the hashing thread.
        drop(passing);
        let digest = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        (done, digest)
    })
}
