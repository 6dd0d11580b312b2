//! Where the stages of a run are run.

use std::sync::Arc;

use super::dispatch::Dispatcher;
use super::executor::Executor;
use crate::realize::processes::Processes;

/// Where the stages of a run are run: see [`Realize::on`](crate::realize::Realize::on). Made from [`Processes`], or from any
/// [`Executor`].
#[derive(Debug)]
pub struct RunsOn(pub(in crate::realize) Host);

#[derive(Debug)]
pub(in crate::realize) enum Host {
    Processes(Processes),
    Executor(Arc<Dispatcher>),
}

impl From<Processes> for RunsOn {
    fn from(processes: Processes) -> Self {
        RunsOn(Host::Processes(processes))
    }
}

impl<E: Executor + 'static> From<E> for RunsOn {
    fn from(executor: E) -> Self {
        RunsOn(Host::Executor(Arc::new(Dispatcher::new(executor))))
    }
}
