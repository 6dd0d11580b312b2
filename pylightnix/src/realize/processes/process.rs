//! A worker, as the process of the run sees it.

use std::env;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::channel::{Received, Receiver, send};
use super::memory::{Exceeded, MemoryLimit};
use super::message::{BuildEnd, BuildOrder, FromWorker, ToWorker};
use super::sandbox::explain::{Refused, explained_plan};
use super::sandbox::{Sandbox, Watch};
use super::worker::{WORKER, socket_number};
use crate::lens::{StageReport, Stop, StopReason, signal_name};
use crate::realize::report::memory_guard::MemoryGuard;
use crate::store::{SERIES, Store};
use crate::{Error, ErrorKind, Result};

/// How often a process that says nothing is looked at. Its end is known at once unless it left a child behind that holds the socket.
const LOOK: Duration = Duration::from_millis(200);

/// The variable of tasks of an executor, which tells them their order.
pub(in crate::realize) const TASK: &str = "PYLIGHTNIX_ORDERS";

/// How long the end of a task may take to reach all its processes.
const TASK_ENDS: Duration = Duration::from_secs(2);

/// How a build in a worker ended.
pub(super) enum WorkerEnd {
    /// The worker can take another build.
    Ended(Box<BuildEnd>),
    Refused(Error),
    /// The process died in the middle of it, and may have recorded a series of numbers.
    Died(Death, bool),
}

/// A worker that has made its plan and waits for a build.
pub(super) struct WorkerProcess {
    child: Child,
    group: Pid,
    socket: UnixStream,
    receiver: Receiver,
    /// What watches the process of a sealed stage.
    watch: Option<Watch>,
    /// The limit of its memory, as long as it runs.
    limit: Option<MemoryLimit>,
    /// The number of answers that its plan was made from.
    pub(super) answers: usize,
}

impl WorkerProcess {
    /// Starts a worker, which makes the plan from these answers.
    pub(super) fn start(
        store: &Store,
        answers: usize,
        json: String,
        sandbox: Option<Sandbox>,
    ) -> Result<Result<Self>> {
        let refused = |error: io::Error| {
            let message = "cannot start a process for the stage";
            Error::new(ErrorKind::Io, message).because(error)
        };
        let (socket, other) = UnixStream::pair().map_err(refused)?;
        let number = socket_number(&other).map_err(refused)?;
        let mut command = command(other.into(), number);
        if let Some(sandbox) = &sandbox {
            sandbox.prepare(&mut command);
        }
        let child = command.spawn().map_err(refused)?;
        drop(command);
        let Some(group) = Pid::from_raw(child.id().cast_signed()) else {
            unreachable!("a process has a number");
        };
        let receiver = Receiver::new(socket.try_clone().map_err(refused)?);
        let mut this = WorkerProcess {
            child,
            group,
            socket,
            receiver,
            watch: None,
            limit: None,
            answers,
        };
        let at = store.root().to_owned();
        // A worker that is gone is seen below.
        let _ = send(
            &this.socket,
            &ToWorker::Plan {
                store: at,
                answers: json,
                sandbox: sandbox.clone(),
            },
        );
        loop {
            match this.next().map_err(refused)? {
                Next::Message(FromWorker::Ready) => return Ok(Ok(this)),
                Next::Message(FromWorker::Sealed) => {
                    this.watch(store, sandbox.as_ref()).map_err(refused)?;
                }
                Next::Message(FromWorker::Refused(error)) => {
                    let error = Error::of_plan(error.into_error());
                    return Ok(Err(explained_plan(error, &this.refused())));
                }
                Next::Message(_) => {}
                Next::Ended => {
                    let death = this.reap().map_err(refused)?;
                    let message = format!(
                        "the process for the stage {} while it made the plan",
                        said(death.status)
                    );
                    return Ok(Err(
                        Error::new(ErrorKind::Plan, message).with_help(NO_WORKER)
                    ));
                }
            }
        }
    }

    /// Begins to watch what a sealed process opens, if it gave its listener: it waits for an answer each time.
    fn watch(&mut self, store: &Store, sandbox: Option<&Sandbox>) -> io::Result<()> {
        if let (Some(listener), Some(sandbox)) = (self.receiver.descriptor.take(), sandbox) {
            self.watch = Some(Watch::begin(listener, sandbox, store, self.group)?);
        }
        Ok(())
    }

    /// Returns what a sealed process was refused.
    pub(super) fn refused(&self) -> Vec<Refused> {
        self.watch.as_ref().map(Watch::refused).unwrap_or_default()
    }

    /// Limits what the process uses from now on, and all that it starts. Returns what keeps the limit.
    pub(super) fn limit_memory(&mut self, bytes: u64) -> MemoryGuard {
        let limit = MemoryLimit::of(self.group, bytes);
        let guard = limit.guard();
        self.limit = Some(limit);
        guard
    }

    /// Returns what was used if processes were killed for it.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.limit.as_ref().and_then(MemoryLimit::exceeded)
    }

    /// Has a stage run, and passes on what it reports.
    pub(super) fn build(
        &mut self,
        order: BuildOrder,
        stop: &Stop,
        report: &dyn Fn(StageReport),
    ) -> Result<WorkerEnd> {
        let refused = |error: io::Error| {
            let message = "cannot talk to the process of the stage";
            Error::new(ErrorKind::Io, message).because(error)
        };
        let (dref, index, log) = (order.terms.dref.clone(), order.index, order.log.clone());
        let teller = self.socket.try_clone().map_err(refused)?;
        // A process that is gone is seen below.
        let _ = send(&self.socket, &ToWorker::Build(Box::new(order)));
        stop.watch_worker(self.group, move |reason: StopReason| {
            let _ = send(&teller, &ToWorker::Stop(reason));
        });
        let end = loop {
            match self.next() {
                Ok(Next::Message(FromWorker::Report(one))) => report(one.of(&dref, index)),
                Ok(Next::Message(FromWorker::Ended(end))) => break Ok(WorkerEnd::Ended(end)),
                Ok(Next::Message(FromWorker::Refused(error))) => {
                    break Ok(WorkerEnd::Refused(Error::of_plan(error.into_error())));
                }
                Ok(Next::Message(FromWorker::Ready | FromWorker::Sealed)) => {}
                Ok(Next::Ended) => {
                    // Once it was waited for, its number may be that of another process.
                    stop.unwatch_worker(self.group);
                    let death = match self.reap() {
                        Ok(death) => death,
                        Err(error) => break Err(refused(error)),
                    };
                    // Who cancels a task ends all its processes, and no stage has failed. This one may be a moment behind.
                    if env::var_os(TASK).is_some()
                        && death.status.signal() == Some(Signal::TERM.as_raw())
                    {
                        sleep(TASK_ENDS);
                    }
                    let has_series = log.with_file_name(SERIES).exists();
                    break Ok(WorkerEnd::Died(death, has_series));
                }
                Err(error) => break Err(refused(error)),
            }
        };
        stop.unwatch_worker(self.group);
        end
    }

    /// Waits for the next message, or for the end of the process, which keeps its number until it is [reaped](Self::reap).
    fn next(&mut self) -> io::Result<Next> {
        loop {
            match self.receiver.receive(Some(LOOK))? {
                Received::Message(message) => return Ok(Next::Message(message)),
                // A process closes its socket when it ends.
                Received::End => {
                    self.has_ended(WaitIdOptions::empty())?;
                    return Ok(Next::Ended);
                }
                Received::Nothing => {
                    if self.has_ended(WaitIdOptions::NOHANG)? {
                        return Ok(Next::Ended);
                    }
                }
            }
        }
    }

    /// Returns whether the process has ended, or waits for it. It keeps its number.
    fn has_ended(&self, how: WaitIdOptions) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how;
        loop {
            match waitid(WaitId::Pid(self.group), options) {
                Err(rustix::io::Errno::INTR) => {}
                ended => return Ok(ended?.is_some()),
            }
        }
    }

    /// Ends what is left of the group of the process, which has ended, and returns how it did.
    fn reap(&mut self) -> io::Result<Death> {
        // Others get its number, and that of its group, once the process was waited for.
        let _ = kill_process_group(self.group, Signal::KILL);
        let exceeded = self.exceeded();
        self.limit = None;
        let status = self.child.wait()?;
        Ok(Death { status, exceeded })
    }
}

enum Next {
    Message(FromWorker),
    /// The process has ended.
    Ended,
}

/// How a process died.
pub(super) struct Death {
    pub(super) status: ExitStatus,
    /// What was used if it was killed for its memory.
    pub(super) exceeded: Option<Exceeded>,
}

impl Drop for WorkerProcess {
    /// Ends the process, with what its stages left running.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        // A process that was waited for is no child any more, and its group is ended.
        if self.has_ended(WaitIdOptions::NOHANG).is_ok() {
            let _ = self.reap();
        }
    }
}

/// Advice for a program that does not answer as a worker.
const NO_WORKER: &str = "programs that run stages in processes call `pylightnix::worker` first in `main`, or use the command line of \
    `pylightnix-cli`, and make the same plan each time";

/// Returns the file of this program, even if another one was written in its place.
pub(in crate::realize) fn this_program() -> PathBuf {
    match cfg!(target_os = "linux") {
        true => PathBuf::from("/proc/self/exe"),
        false => env::current_exe().unwrap_or_default(),
    }
}

/// Returns the command that starts this program again.
fn command(socket: OwnedFd, number: u64) -> Command {
    let mut arguments = env::args_os();
    let name = arguments.next();
    let mut command = Command::new(this_program());
    if let Some(name) = name {
        command.arg0(name);
    }
    command
        .args(arguments)
        .env(WORKER, number.to_string())
        // A task of an executor starts its stages in this way, and programs of theirs are no tasks.
        .env_remove(TASK)
        .stdin(socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

/// Returns what to say of a process that ended.
pub(super) fn said(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("was killed by {name} (signal {signal})"),
            None => format!("was killed by signal {signal}"),
        },
        (None, Some(code)) => format!("ended with exit status {code}"),
        (None, None) => "ended".to_owned(),
    }
}
