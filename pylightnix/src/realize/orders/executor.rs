//! Executors: what carries out the tasks of a run somewhere else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::Result;
use crate::realize::processes::process::TASK;

/// Carries out the tasks of a run on other machines, or in another way that leaves the program: see
/// [`Realize::on`](crate::realize::Realize::on). [`Slurm`](crate::realize::Slurm) is one.
///
/// A task is the program of the run, started with [`Batch::command`] and with the variable [`ORDERS`] set to the file of its order. It
/// makes the plan again, makes the builds of the order, and publishes them in the store, whose folder both have to see. So an executor
/// has to start programs, and nothing else: decisions, packing, retries and the order of stages are the run's.
///
/// What an executor says of a task is a hint. The store says what is made; a task that is [gone](Sight::Gone) without results is
/// submitted again, a few times.
///
/// All methods are called from one thread of the run.
///
/// ```no_run,standalone_crate
/// use pylightnix::realize::{Batch, Executor, ORDERS, Room, Sight, Submission, TaskId};
/// use pylightnix::{Error, Result};
/// use std::collections::HashMap;
/// use std::process::{Child, Command};
/// use std::sync::Mutex;
///
/// /// Starts each task as a process of this machine.
/// #[derive(Default)]
/// struct Local(Mutex<HashMap<TaskId, Child>>);
///
/// impl Executor for Local {
///     fn room(&self) -> Result<Room> {
///         Ok(Room::new(16).slots(4))
///     }
///
///     fn submit(&self, batch: &Batch) -> Result<Submission> {
///         let mut all = self.0.lock().unwrap();
///         let mut ids = Vec::new();
///         for order in &batch.orders {
///             let mut command = Command::new(&batch.command[0]);
///             command.args(&batch.command[1..]).current_dir(&batch.folder).env(ORDERS, order);
///             let child = command.spawn().map_err(|error| Error::io("start", order, error))?;
///             let id = TaskId::new(child.id().to_string());
///             all.insert(id.clone(), child);
///             ids.push(id);
///         }
///         Ok(Submission::Tasks(ids))
///     }
///
///     fn look(&self, tasks: &[TaskId]) -> Result<Vec<Sight>> {
///         let mut all = self.0.lock().unwrap();
///         let mut ended = |id: &TaskId| all.get_mut(id).is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
///         let sights = tasks.iter().map(ended).map(|ended| match ended {
///             true => Sight::Gone(String::new()),
///             false => Sight::Running("here".to_owned()),
///         });
///         Ok(sights.collect())
///     }
///
///     fn cancel(&self, tasks: &[TaskId]) -> Result<()> {
///         let mut all = self.0.lock().unwrap();
///         for mut child in tasks.iter().filter_map(|id| all.remove(id)) {
///             let _ = child.kill();
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Executor: Send + Sync {
    /// Returns how many tasks there is room for.
    ///
    /// # Errors
    /// Ends the run: a system that is busy has [no room](Room::new).
    fn room(&self) -> Result<Room>;

    /// Starts tasks, or puts them into a queue. All of them need the same.
    ///
    /// # Errors
    /// Ends the run. A reason that passes, such as a limit of the queue, is no error but [`Submission::Later`].
    fn submit(&self, batch: &Batch) -> Result<Submission>;

    /// Returns how these tasks stand, in this order.
    ///
    /// # Errors
    /// A system that does not answer is asked again.
    fn look(&self, tasks: &[TaskId]) -> Result<Vec<Sight>>;

    /// Ends these tasks, and takes those that wait out of the queue. Tasks that ended are passed over.
    ///
    /// # Errors
    /// Is told; the tasks go on.
    fn cancel(&self, tasks: &[TaskId]) -> Result<()>;

    /// Returns how long a task should take at least: shorter builds share tasks. The default is a minute.
    fn pack(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Returns the tasks that earlier runs of this user submitted with a [comment](Batch::comment) that begins like this, and that are
    /// not over. An executor whose tasks end with the run has none.
    ///
    /// # Errors
    /// The run goes on without them.
    fn adopt(&self, _comment: &str) -> Result<Vec<Adopted>> {
        Ok(Vec::new())
    }
}

/// The variable that tells a process that it is a task: the path of its order.
pub const ORDERS: &str = TASK;

/// How many tasks an executor has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub(in crate::realize) tasks: usize,
    pub(in crate::realize) batch: usize,
    pub(in crate::realize) slots: Option<usize>,
}

impl Room {
    /// Room for this many tasks at once, those that wait included.
    pub fn new(tasks: usize) -> Self {
        Room {
            tasks,
            batch: usize::MAX,
            slots: None,
        }
    }

    /// Sets how many tasks a batch may have.
    #[must_use]
    pub fn batch(mut self, tasks: usize) -> Self {
        self.batch = tasks.max(1);
        self
    }

    /// Sets how many tasks of one thread run at the same time, as far as that is known. Short builds are packed into about as many
    /// tasks.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = Some(slots.max(1));
        self
    }
}

/// What a task needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Needs {
    /// The number of threads.
    pub threads: u32,
    /// The memory in bytes; 0 if the stages do not say it.
    pub memory: u64,
    /// Named resources with their amounts.
    pub resources: BTreeMap<String, u64>,
}

/// Tasks that need the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// A folder for files of the executor. All machines that carry out tasks see it.
    pub place: PathBuf,
    /// The program and its arguments, the same for each task. The program lies where it does not change while tasks run.
    pub command: Vec<OsString>,
    /// The working directory of the tasks.
    pub folder: PathBuf,
    /// The file of each task's order, by the index of the task.
    pub orders: Vec<PathBuf>,
    /// What each of them needs.
    pub needs: Needs,
    /// How long the longest of them may take at most, if all its stages have time limits.
    pub time: Option<Duration>,
    /// How long the longest of them is expected to take, if that is known for each and none took longer before.
    pub expected: Option<Duration>,
    /// The name of the program, for lists that people look at.
    pub name: String,
    /// What identifies the store, the run and the batch: see [`Executor::adopt`].
    pub comment: String,
}

/// The name of a task, given by its executor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TaskId(String);

impl TaskId {
    /// Names a task.
    pub fn new(name: impl Into<String>) -> Self {
        TaskId(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submission {
    /// The names of the tasks, in the order of the batch.
    Tasks(Vec<TaskId>),
    /// There is no room at present, for this reason: the run asks again.
    Later(String),
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sight {
    /// It waits, for this reason.
    Queued(String),
    /// It runs on this machine.
    Running(String),
    /// It is over, in this way as far as that is known.
    Gone(String),
}

/// A task of an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// The task.
    pub id: TaskId,
    /// The comment of its batch.
    pub comment: String,
    /// Its index in the batch.
    pub index: usize,
}

impl Adopted {
    /// A task with this comment and this index in its batch.
    pub fn new(id: TaskId, comment: impl Into<String>, index: usize) -> Self {
        Adopted {
            id,
            comment: comment.into(),
            index,
        }
    }
}
