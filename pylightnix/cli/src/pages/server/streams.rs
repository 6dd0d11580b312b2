//! Bodies that are sent as they come: nothing waits in memory for a slow client, and no thread does.

use axum::body::{Body, Bytes};
use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// How many bytes of a file are read at once.
const PART: usize = 64 << 10;

/// What comes over a channel, as a stream.
pub(super) struct Receiving<E>(pub(super) mpsc::Receiver<Result<Bytes, E>>);

impl<E> futures_core::Stream for Receiving<E> {
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Returns a body with the next bytes of a file, at most as many as this.
pub(super) fn of_file(file: File, most: u64) -> Body {
    let (to, from) = mpsc::channel(1);
    tokio::spawn(send(file, most, to));
    Body::from_stream(Receiving(from))
}

async fn send(mut file: File, most: u64, to: mpsc::Sender<io::Result<Bytes>>) {
    let mut left = most;
    while left > 0 {
        let read = tokio::task::spawn_blocking(move || {
            let mut part = Vec::with_capacity(PART);
            let read = (&mut file)
                .take(left.min(PART as u64))
                .read_to_end(&mut part);
            (file, read.map(|_| part))
        });
        // The server ends.
        let Ok((next, part)) = read.await else {
            return;
        };
        file = next;
        let is_end = part.as_ref().map_or(true, Vec::is_empty);
        left -= part.as_ref().map_or(0, |part| part.len() as u64);
        // Whoever asked may have gone.
        if to.send(part.map(Bytes::from)).await.is_err() || is_end {
            return;
        }
    }
}
