//! The other side: a process that makes the plan again and runs the code of its stages.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Orders, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;
use rustix::process::{Signal, getpgrp, kill_process_group};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::c_library;
use super::channel::{Received, Receiver, send, send_with};
use super::left_behind::{adopt, end_left_behind};
use super::memory::peak::PeakSince;
use super::message::{BuildEnd, BuildOrder, FromWorker, ToWorker, WireReport, WireReturned};
use super::sandbox::Sandbox;
use super::wire_error::WireError;
use crate::lens::{StageReport, Stop};
use crate::plan::{AnyDRef, Args, Counts, PlanGraph};
use crate::realize::execute::code::{CodeInput, begin_notes, end_notes, run_code, site};
use crate::realize::failure::panics::caught;
use crate::realize::lookup::recalled::Recalled;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// The variable by which a process knows that it is a worker: it has the number of the socket that is its standard input, so that a
/// program that a stage starts is none. A worker whose run died meanwhile still knows that it is one.
pub(super) const WORKER: &str = "PYLIGHTNIX_WORKER";

/// The capacity of the channel for reports.
const WAITING: usize = 64;

/// Whether this program answers as a worker when it is started as one.
static PROMISED: AtomicBool = AtomicBool::new(false);

/// Notes that this program answers as a worker when it is started as one.
pub(in crate::realize) fn promise() {
    PROMISED.store(true, Ordering::Relaxed);
}

/// Fails if this program does not answer as a worker.
pub(in crate::realize) fn check() -> Result<()> {
    match PROMISED.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Plan,
            "this program cannot run stages in processes of their own: it has not called `pylightnix::worker`",
        )
        .with_help(
            "call it first in `main`, with the function that makes the plan; programs with `pylightnix_cli::main` do so by \
             themselves; tests and notebooks cannot",
        )),
    }
}

/// What stages in a worker get of the options of the run, which the worker makes again.
pub(in crate::realize) struct WorkerInput<'a> {
    pub(in crate::realize) store: &'a Store,
    pub(in crate::realize) args: &'a Args,
    pub(in crate::realize) counts: &'a BTreeSet<Counts>,
}

/// A worker that was told to make a plan.
pub(crate) struct Worker {
    socket: UnixStream,
    orders: Orders<BuildOrder>,
    /// What stops the stage that runs.
    stop: Arc<Mutex<Arc<Stop>>>,
    /// What the thread that receives orders needs, until it is started.
    receiving: Option<(Receiver, Sender<BuildOrder>)>,
    store: PathBuf,
    answers: String,
    sandbox: Option<Sandbox>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Returns the worker that this process is; `None` if it is none. The inner error is that its run is gone.
    pub(crate) fn here() -> Option<Result<Self>> {
        promise();
        let number: u64 = env::var(WORKER).ok()?.parse().ok()?;
        if socket_number(io::stdin()).ok()? != number {
            return None;
        }
        Some(Self::begin().map_err(|error| {
            Error::new(ErrorKind::Io, "the run of this process is gone").because(error)
        }))
    }

    fn begin() -> io::Result<Self> {
        // Not inherited by what the stages start, as a duplicate is closed on exec.
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        dup2_stdin(File::open("/dev/null")?)?;
        c_library::print_by_lines();
        adopt();
        let mut receiver = Receiver::new(socket.try_clone()?);
        let Received::Message(ToWorker::Plan {
            store,
            answers,
            sandbox,
        }) = receiver.receive(None)?
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (to, orders) = channel();
        Ok(Worker {
            socket,
            orders,
            stop: Arc::default(),
            receiving: Some((receiver, to)),
            store,
            answers,
            sandbox,
        })
    }

    /// Enters the sandbox of a sealed stage, if there is one, and begins to receive orders. Nothing of the program has run yet but what
    /// comes before its `main`.
    pub(crate) fn enter(&mut self, store: &Store) -> Result<()> {
        if let Some(sandbox) = &self.sandbox {
            // Before any thread is started: it would not be in the sandbox.
            let listener = sandbox.restrict(store)?;
            let sent = match &listener {
                Some(listener) => send_with(&self.socket, &FromWorker::Sealed, listener.as_fd()),
                None => send(&self.socket, &FromWorker::Sealed),
            };
            sent.map_err(unheard)?;
        }
        if let Some((receiver, to)) = self.receiving.take() {
            let stops = Arc::clone(&self.stop);
            let started = thread::Builder::new()
                .name("orders".to_owned())
                .spawn(move || listen(receiver, &to, &stops));
            started.map_err(unheard)?;
        }
        Ok(())
    }

    /// Returns the place of the store.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Returns the answers of the run, as JSON.
    pub(crate) fn answers(&self) -> &str {
        &self.answers
    }

    /// Tells the run that this worker cannot do its work.
    pub(crate) fn refuse(&self, error: &Error) {
        let _ = send(&self.socket, &FromWorker::Refused(WireError::new(error)));
    }

    /// Runs stages of this plan, as long as the run asks for it.
    pub(in crate::realize) fn serve(&self, given: &WorkerInput<'_>, stages: &[AnyDRef]) {
        let served = caught(|| self.build_all(given, stages));
        let served = served.unwrap_or_else(|panic| {
            Err(Error::new(ErrorKind::Plan, "the plan cannot be made again").because(panic))
        });
        if let Err(error) = served {
            self.refuse(&error);
        }
    }

    fn build_all(&self, given: &WorkerInput<'_>, stages: &[AnyDRef]) -> Result<()> {
        let graph = PlanGraph::counting(stages, given.counts, &mut |_| ())?;
        let mut recalled = Recalled::new(given.store, &graph);
        send(&self.socket, &FromWorker::Ready).map_err(unheard)?;
        for (number, order) in self.orders.iter().enumerate() {
            let peak = PeakSince::begin(number == 0);
            let mut end = self.build(given, &graph, &mut recalled, order)?;
            end.left_behind = end_left_behind();
            end.peak_memory = peak.end();
            send(&self.socket, &FromWorker::Ended(Box::new(end))).map_err(unheard)?;
        }
        Ok(())
    }

    fn build(
        &self,
        input: &WorkerInput<'_>,
        graph: &PlanGraph,
        recalled: &mut Recalled<'_>,
        order: BuildOrder,
    ) -> Result<BuildEnd> {
        let stage = graph.dref(order.terms.place(graph)?);
        let chosen = order.terms.chosen(recalled)?;
        print_to(&order.log)?;
        let stop = Arc::new(Stop::default());
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = stop.clone();
        let (reports, told) = sync_channel::<StageReport>(WAITING);
        let reports = Arc::new(reports);
        let start: Timestamp = order.start.parse().unwrap_or_else(|_| Timestamp::now());
        let notes = begin_notes(
            stage,
            order.index,
            order.terms.has_context(),
            Some(&reports),
        );
        let socket = &self.socket;
        let end = thread::scope(|scope| {
            scope.spawn(move || {
                for report in told {
                    let report = WireReport::new(report);
                    let _ = send(socket, &FromWorker::Report(report));
                }
            });
            let chosen = match &notes {
                Some(notes) => chosen.noted(notes.clone()),
                None => chosen,
            };
            let given = CodeInput {
                chosen: &chosen,
                cache: &input.store.cache_dir(),
                args: input.args,
                progress: Some(reports),
                index: order.index,
                site: site(stage, &order.scratch, start, stop, order.units),
            };
            run_code(stage, &order.out, &order.log, given)
        });
        let _ = io::stdout().flush();
        // As long as it goes to the log of this stage.
        c_library::flush();
        Ok(BuildEnd {
            returned: WireReturned::new(end.returned),
            reads: end_notes(stage, notes),
            has_series: end.has_series,
            peak_memory: None,
            left_behind: false,
        })
    }
}

/// Returns the number of a socket, the same in each process that has it.
pub(super) fn socket_number(socket: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

/// Returns the error of a worker that its run does not hear.
fn unheard(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "the process of the run does not listen").because(error)
}

/// Receives orders until the run is gone, and then ends this process with all that its stage started.
fn listen(mut receiver: Receiver, to: &Sender<BuildOrder>, stop: &Mutex<Arc<Stop>>) {
    while let Ok(Received::Message(message)) = receiver.receive(None) {
        match message {
            ToWorker::Build(order) => {
                if to.send(*order).is_err() {
                    break;
                }
            }
            ToWorker::Stop(reason) => {
                let stop = stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
                stop.stop(reason);
            }
            ToWorker::Plan { .. } => {}
        }
    }
    // Those in other sessions first.
    end_left_behind();
    let _ = kill_process_group(getpgrp(), Signal::KILL);
}

/// Has this process print to the log of a build.
fn print_to(log: &Path) -> Result<()> {
    let open = || -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(log)?;
        dup2_stdout(&file)?;
        dup2_stderr(&file)?;
        Ok(())
    };
    open().map_err(|error| Error::io("open", log, error))
}
