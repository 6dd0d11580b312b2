//! All that is asynchronous: requests to object stores, which others wait for.
//!
//! One thread runs all requests of a backend. Those who ask wait on channels of the standard library, so that this also works where
//! the caller is a task of a runtime of its own.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::ops::Range;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AwsCredential;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CredentialProvider, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutPayload,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};

/// The number of pieces of a body that arrive before somebody reads them.
const AHEAD: usize = 64;

type Result<T> = object_store::Result<T>;

/// A store that takes large objects in parts.
pub(super) trait Store: ObjectStore + MultipartStore {}

impl<S: ObjectStore + MultipartStore> Store for S {}

/// The thread that runs requests.
struct Thread {
    handle: Handle,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("remote".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(ended);
            })?;
        Ok(Thread { handle, _end: end })
    }
}

/// An object store whose requests are waited for.
#[derive(Clone)]
pub(super) struct Waiting {
    /// For what is answered at once.
    quick: Arc<dyn Store>,
    /// For sending what may take its time.
    patient: Arc<dyn Store>,
    thread: Arc<OnceLock<io::Result<Thread>>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// An answer that is on its way.
pub(super) struct Coming<T>(std::result::Result<Receiver<Result<T>>, String>);

impl<T> Coming<T> {
    pub(super) fn wait(self) -> Result<T> {
        let died = |why: String| object_store::Error::Generic {
            store: "remote",
            source: why.into(),
        };
        let receiver = self.0.map_err(died)?;
        receiver
            .recv()
            .map_err(|_| died("the request broke off".to_owned()))?
    }
}

impl Waiting {
    pub(super) fn new(quick: Arc<dyn Store>, patient: Arc<dyn Store>) -> Self {
        Waiting {
            quick,
            patient,
            thread: Arc::default(),
        }
    }

    fn handle(&self) -> std::result::Result<&Handle, String> {
        match self.thread.get_or_init(Thread::start) {
            Ok(thread) => Ok(&thread.handle),
            Err(error) => Err(error.to_string()),
        }
    }

    fn start<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Coming<T> {
        let (sender, receiver) = channel();
        Coming(self.handle().map(|handle| {
            handle.spawn(async move {
                // Whoever no longer waits needs no answer.
                let _ = sender.send(request.await);
            });
            receiver
        }))
    }

    pub(super) fn list(&self, folder: Path) -> Result<Vec<ObjectMeta>> {
        let store = self.quick.clone();
        self.start(async move { store.list(Some(&folder)).try_collect().await })
            .wait()
    }

    pub(super) fn head(&self, object: Path) -> Result<ObjectMeta> {
        let store = self.quick.clone();
        self.start(async move { store.head(&object).await }).wait()
    }

    pub(super) fn delete(&self, object: Path) -> Result<()> {
        let store = self.quick.clone();
        self.start(async move { store.delete(&object).await })
            .wait()
    }

    pub(super) fn get(&self, object: Path, range: Option<Range<u64>>) -> Result<Body> {
        let store = self.quick.clone();
        let room = Arc::new(Semaphore::new(AHEAD));
        let (sender, pieces) = channel();
        let permits = room.clone();
        // The body is read by a task of its own, which goes on when the head was answered.
        let (opened, answer) = channel();
        let request = async move {
            let options = GetOptions {
                range: range.map(GetRange::Bounded),
                ..GetOptions::default()
            };
            let mut stream = match store.get_opts(&object, options).await {
                Ok(found) => found.into_stream(),
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            let _ = opened.send(Ok(()));
            loop {
                // Closed when the reader is dropped.
                match permits.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_) => return,
                }
                let next = poll_fn(|context| stream.poll_next_unpin(context)).await;
                let piece = match next {
                    None => Piece::End,
                    Some(Ok(bytes)) => Piece::Bytes(Box::new(bytes)),
                    Some(Err(error)) => Piece::Broken(error),
                };
                let is_last = !matches!(piece, Piece::Bytes(_));
                if sender.send(piece).is_err() || is_last {
                    return;
                }
            }
        };
        let handle = self.handle();
        Coming(handle.map(|handle| {
            handle.spawn(request);
            answer
        }))
        .wait()?;
        Ok(Body {
            pieces,
            room,
            current: Box::new([]),
            read: 0,
            is_ended: false,
            _waiting: self.clone(),
        })
    }

    /// Puts an object; `slowly`, if that may take its time.
    pub(super) fn put(&self, object: Path, bytes: Vec<u8>, slowly: bool) -> Result<()> {
        let store = match slowly {
            true => self.patient.clone(),
            false => self.quick.clone(),
        };
        self.start(async move {
            store
                .put(&object, PutPayload::from(bytes))
                .await
                .map(|_| ())
        })
        .wait()
    }

    /// Begins an upload in parts. Returns its name.
    pub(super) fn create_upload(&self, object: Path) -> Result<String> {
        let store = self.quick.clone();
        self.start(async move { store.create_multipart(&object).await })
            .wait()
    }

    /// Begins to send a part. Its answer is what the store calls it.
    pub(super) fn put_part(
        &self,
        object: Path,
        upload: String,
        number: usize,
        bytes: Vec<u8>,
    ) -> Coming<String> {
        let store = self.patient.clone();
        self.start(async move {
            let bytes = PutPayload::from(bytes);
            let part = store.put_part(&object, &upload, number, bytes).await?;
            Ok(part.content_id)
        })
    }

    /// Makes an object of all parts.
    pub(super) fn complete_upload(
        &self,
        object: Path,
        upload: String,
        parts: Vec<String>,
    ) -> Result<()> {
        let store = self.patient.clone();
        let parts = parts.into_iter().map(|content_id| PartId { content_id });
        let parts = parts.collect();
        self.start(async move {
            let done = store.complete_multipart(&object, &upload, parts).await;
            done.map(|_| ())
        })
        .wait()
    }
}

enum Piece {
    Bytes(Box<dyn AsRef<[u8]> + Send>),
    Broken(object_store::Error),
    End,
}

/// The bytes of an object, as they arrive.
pub(super) struct Body {
    pieces: Receiver<Piece>,
    room: Arc<Semaphore>,
    current: Box<dyn AsRef<[u8]> + Send>,
    read: usize,
    is_ended: bool,
    /// Keeps the thread that reads.
    _waiting: Waiting,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while (*self.current).as_ref().len() == self.read {
            if self.is_ended {
                return Ok(0);
            }
            let piece = self.pieces.recv();
            self.room.add_permits(1);
            match piece {
                Ok(Piece::Bytes(bytes)) => (self.current, self.read) = (bytes, 0),
                Ok(Piece::End) => self.is_ended = true,
                Ok(Piece::Broken(error)) => {
                    return Err(io::Error::other(super::cloud::why(&error)));
                }
                Err(_) => return Err(io::Error::other("the answer broke off")),
            }
        }
        let rest = &(*self.current).as_ref()[self.read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// Credentials that a function finds, which may wait for a program.
pub(super) struct Asked<F>(pub(super) Arc<F>);

impl<F> fmt::Debug for Asked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

impl<F> CredentialProvider for Asked<F>
where
    F: Fn() -> std::result::Result<Arc<AwsCredential>, String> + Send + Sync + 'static,
{
    type Credential = AwsCredential;

    fn get_credential<'a, 'f>(
        &'a self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<AwsCredential>>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        let find = self.0.clone();
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || find()).await?;
            found.map_err(|why| object_store::Error::Unauthenticated {
                path: String::new(),
                source: why.into(),
            })
        })
    }
}
