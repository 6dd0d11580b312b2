//! Programs that run stages in processes of their own: the function that makes the plan, called in those processes, too.

use super::{Answers, Run};
use crate::plan::{AnyDRef, Target};
use crate::realize::Realize;
use crate::realize::orders::serve::OrderTask;
use crate::realize::processes::worker::Worker;
use crate::store::Store;
use crate::{BoxError, Error, ErrorKind, Result};

/// Lets this program run stages in processes of their own: see [`Realize::on`]. Call it first in `main`, with the function that makes
/// the plan. In a process for stages it runs them and does not return; elsewhere it returns at once.
///
/// ```no_run,standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::realize::Processes;
/// # #[derive(Config)] struct Fragile {}
/// # #[stage] fn fragile(b: &Build<Fragile>) -> Result<()> { std::process::abort() }
///
/// fn experiment(_: &Run<'_>) -> Result<DRef<Fragile>> {
///     Ok(instantiate(Fragile::new())?)
/// }
///
/// fn main() -> Result<()> {
///     pylightnix::worker(experiment)?;
///     let store = Store::open("_store")?;
///     let run = Realize::new(&store).on(Processes::new());
///     let failed = run.evaluate(experiment);
///     assert!(failed.is_err()); // the stage aborted, and this program goes on
///     Ok(())
/// }
/// ```
///
/// # Errors
/// Never in the process of the run. A process for stages that cannot make the plan tells its run, and fails.
pub fn worker<T: Target, E: Into<BoxError>>(
    plan: impl FnOnce(&Run<'static>) -> Result<T, E>,
) -> Result<()> {
    let Some(worker) = WorkerRun::here()? else {
        return Ok(());
    };
    worker.serve(|run| {
        let made = plan(run);
        let mut stages = run.asked();
        match run.undecided() {
            Some(_) => {}
            None => made
                .map_err(Error::of_plan)?
                .visit(&mut |dref| stages.push(dref.clone())),
        }
        Ok(stages)
    })
}

/// A process for stages, with the store and the answers of its run.
#[derive(Debug)]
pub struct WorkerRun {
    worker: Kind,
    store: Store,
    answers: Answers,
}

/// Whom this process works for.
#[derive(Debug)]
enum Kind {
    /// A run that talks to it.
    Worker(Worker),
    /// An order in a file.
    Order(OrderTask),
}

impl Kind {
    fn here() -> Result<Option<Self>> {
        // A task starts its stages in processes of their own, which inherit its variables.
        if let Some(worker) = Worker::here().transpose()? {
            return Ok(Some(Kind::Worker(worker)));
        }
        Ok(OrderTask::here().transpose()?.map(Kind::Order))
    }

    fn open_store(&self) -> Result<Store> {
        match self {
            Kind::Worker(worker) => Store::open_existing(worker.store()),
            Kind::Order(task) => task.open_store(),
        }
    }

    /// Enters the sandbox of a sealed stage, if there is one, and begins to receive orders.
    fn enter(&mut self, store: &Store) -> Result<()> {
        match self {
            Kind::Worker(worker) => worker.enter(store),
            Kind::Order(_) => Ok(()),
        }
    }

    fn answers(&self) -> &str {
        match self {
            Kind::Worker(worker) => worker.answers(),
            Kind::Order(task) => task.answers(),
        }
    }

    fn refuse(&self, error: &Error) {
        match self {
            Kind::Worker(worker) => worker.refuse(error),
            Kind::Order(task) => task.refuse(error),
        }
    }
}

impl WorkerRun {
    /// Returns what this process has to do for a run; `None` if it is no process for stages.
    ///
    /// # Errors
    /// Fails if the run is gone, or if the store cannot be opened.
    pub fn here() -> Result<Option<Self>> {
        let Some(mut worker) = Kind::here()? else {
            return Ok(None);
        };
        let opened = worker.open_store().and_then(|store| {
            worker.enter(&store)?;
            let answers = serde_json::from_str(worker.answers()).map_err(|error| {
                Error::new(ErrorKind::Plan, "the answers of the run cannot be read").because(error)
            })?;
            Ok((store, answers))
        });
        match opened {
            Ok((store, answers)) => Ok(Some(WorkerRun {
                worker,
                store,
                answers,
            })),
            Err(error) => {
                worker.refuse(&error);
                Err(error)
            }
        }
    }

    /// Returns the store of the run.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the plan with these options, and runs its stages until the run is over; then it ends this process.
    ///
    /// # Errors
    /// Fails if the plan cannot be made.
    pub fn serve(self, plan: impl FnOnce(&Run<'static>) -> Result<Vec<AnyDRef>>) -> Result<()> {
        self.serve_with(|run| run, plan)
    }

    /// Does so with further options.
    ///
    /// # Errors
    /// Fails if the plan cannot be made.
    pub fn serve_with(
        self,
        configure: impl Fn(Realize<'static>) -> Realize<'static>,
        plan: impl FnOnce(&Run<'static>) -> Result<Vec<AnyDRef>>,
    ) -> Result<()> {
        let run = Run::working(configure(Realize::new(&self.store)), self.answers);
        match plan(&run) {
            Ok(stages) => {
                let options = configure(Realize::new(&self.store));
                let status = match &self.worker {
                    Kind::Worker(worker) => {
                        options.serve(worker, &stages);
                        0
                    }
                    Kind::Order(task) => options.carry_out(task, &stages),
                };
                std::process::exit(status);
            }
            Err(error) => {
                self.worker.refuse(&error);
                Err(error)
            }
        }
    }
}
