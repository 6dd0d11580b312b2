//! The program of an experiment of many stages, for tests and a campaign of runs that leave their process: each stage counts its runs in
//! a file.

use pylightnix::prelude::*;
use pylightnix::realize::{Batch, Executor, ORDERS, Room, Sight, Submission, TaskId};
use pylightnix_cli::{App, clap};
use rustix::process::{Signal, getppid, kill_process};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

#[derive(clap::Args)]
struct Arguments {
    /// How many leaves there are
    #[arg(long, default_value_t = 4)]
    leaves: u64,
    /// How long each takes, in milliseconds
    #[arg(long, default_value_t = 10)]
    takes: u64,
    /// Which leaf aborts
    #[arg(long)]
    aborts: Option<u64>,
    /// Which leaf kills its task
    #[arg(long)]
    kills: Option<u64>,
    /// Which leaf the workers cannot know
    #[arg(long)]
    changing: bool,
    /// Run stages as tasks of this machine
    #[arg(long)]
    local: bool,
    /// Refuse the first of those tasks for a moment, and have room for many afterwards
    #[arg(long)]
    busy: bool,
}

/// Starts each task as a process of this machine.
struct Local {
    tasks: Mutex<HashMap<TaskId, Child>>,
    tasks_at_once: usize,
    /// Whether the next submission is refused.
    busy: AtomicBool,
}

impl Local {
    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Child>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Local {
    fn room(&self) -> pylightnix::Result<Room> {
        Ok(Room::new(self.tasks_at_once).slots(4))
    }

    fn submit(&self, batch: &Batch) -> pylightnix::Result<Submission> {
        if self.busy.swap(false, Ordering::Relaxed) {
            return Ok(Submission::Later("busy".to_owned()));
        }
        let mut ids = Vec::new();
        for order in &batch.orders {
            let mut command = Command::new(&batch.command[0]);
            let command = command.args(&batch.command[1..]).current_dir(&batch.folder);
            let child = command.env(ORDERS, order).stdout(Stdio::null()).spawn();
            let child = child.map_err(|error| pylightnix::Error::io("start", order, error))?;
            let id = TaskId::new(child.id().to_string());
            self.tasks().insert(id.clone(), child);
            ids.push(id);
        }
        Ok(Submission::Tasks(ids))
    }

    fn look(&self, tasks: &[TaskId]) -> pylightnix::Result<Vec<Sight>> {
        let mut all = self.tasks();
        let mut runs = |id| {
            let child: Option<&mut Child> = all.get_mut(id);
            child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
        };
        let sights = tasks.iter().map(|id| match runs(id) {
            true => Sight::Running("here".to_owned()),
            false => Sight::Gone("ended".to_owned()),
        });
        Ok(sights.collect())
    }

    fn cancel(&self, tasks: &[TaskId]) -> pylightnix::Result<()> {
        let mut all = self.tasks();
        for mut child in tasks.iter().filter_map(|id| all.remove(id)) {
            let _ = child.kill();
            let _ = child.wait();
        }
        Ok(())
    }
}

/// A number.
#[derive(Config)]
struct Leaf {
    #[selfref("n.json")]
    n: SelfRef<Json<u64>>,
    number: u64,
    #[config(default, unhashed)]
    takes: u64,
    #[config(default, unhashed)]
    aborts: bool,
    #[config(default, unhashed)]
    kills: bool,
    /// Where runs are counted.
    #[config(default, unhashed)]
    place: PathBuf,
}

#[stage]
fn leaf(b: &Build<Leaf>) -> Result<LeafOutputs> {
    println!("leaf {}", b.number);
    let mut count = OpenOptions::new();
    let count = count.create(true).append(true).open(b.place.join("count"));
    count?.write_all(format!("{}\n", b.number).as_bytes())?;
    let holds = |name| b.place.join(name).exists();
    while holds("hold") || (!b.aborts && holds("hold-others")) {
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(b.takes));
    if let (true, Some(task)) = (b.kills, getppid()) {
        kill_process(task, Signal::KILL)?;
        sleep(Duration::from_secs(60));
    }
    if b.aborts {
        std::process::abort();
    }
    Ok(LeafOutputs {
        n: b.n.save(&b.number)?,
    })
}

/// The sum of all.
#[derive(Config)]
struct Sum {
    #[selfref("sum.json")]
    sum: SelfRef<Json<u64>>,
    #[dref]
    leaves: Vec<DRef<Leaf>>,
}

#[stage]
fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    let mut sum = 0;
    for leaf in &b.leaves {
        sum += leaf.n.load()?;
    }
    Ok(SumOutputs {
        sum: b.sum.save(&sum)?,
    })
}

fn plan(mine: &Arguments) -> Result<DRef<Sum>> {
    let place = fs::canonicalize(".")?;
    let changed = match mine.changing {
        true => u64::from(std::process::id()),
        false => 0,
    };
    let leaves: Result<Vec<_>> = (0..mine.leaves)
        .map(|number| {
            let leaf = Leaf {
                takes: mine.takes,
                aborts: mine.aborts == Some(number),
                kills: mine.kills == Some(number),
                place: place.clone(),
                ..Leaf::new(number + changed)
            };
            Ok(instantiate(leaf)?)
        })
        .collect();
    Ok(instantiate(Sum::new(leaves?))?)
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    App::with_args::<Arguments>()
        .target("sum", plan)
        .configure_run(|mine, run| match mine.local {
            true => run.on(Local {
                tasks: Mutex::default(),
                tasks_at_once: if mine.busy { 100 } else { 4 },
                busy: mine.busy.into(),
            }),
            false => run,
        })
        .main()
}
