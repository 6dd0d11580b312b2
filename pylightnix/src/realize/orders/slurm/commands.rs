//! The commands of Slurm. Their options and formats are those that all versions since 20.02 have; `sacct` is not needed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::realize::orders::executor::{Adopted, Sight, Submission, TaskId};
use crate::{Error, ErrorKind, Result};

/// What `sbatch` says if it may take the job at another time.
const LATER: [&str; 6] = [
    "accounting/QOS policy",
    "Socket timed out",
    "Unable to contact",
    "temporarily",
    "try again",
    "job count",
];

/// What Slurm says of a job that it could not start.
const HELD: &str = "launch failed requeued held";

/// How many tasks are named to a command at once.
const AT_ONCE: usize = 1000;

/// How many tasks that are gone are asked about.
const ASKED: usize = 8;

/// Runs a command, and returns what it printed. The inner error is what it printed about its failure.
fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<Result<String, String>> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot run `{program}`"))
            .because(error)
            .with_help(
                "stages run on Slurm from a machine that has its commands, such as a login node",
            )
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr).trim().to_owned()),
    })
}

/// Runs a command that has to succeed.
fn ask<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<String> {
    run(program, arguments)?.map_err(|said| {
        Error::new(
            ErrorKind::Io,
            format!("`{program}` of Slurm failed: {said}"),
        )
    })
}

/// Whether what a command said of its failure may be over soon.
pub(super) fn may_pass(error: &Error) -> bool {
    let said = error.to_string();
    LATER.iter().any(|words| said.contains(words))
}

/// Returns how many jobs an array may have.
pub(super) fn array_size() -> Result<usize> {
    let config = ask("scontrol", &["show", "config"])?;
    let size = config.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "MaxArraySize").then(|| value.trim().parse().ok())?
    });
    Ok(size.unwrap_or(1000).max(1))
}

/// Returns the number of processors of a partition.
pub(super) fn processors(partition: Option<&str>) -> Result<Option<usize>> {
    let mut arguments = vec!["-h", "-o", "%C"];
    if let Some(partition) = partition {
        arguments.extend(["-p", partition]);
    }
    let said = ask("sinfo", &arguments)?;
    // Those that are allocated, idle, of no use, and all.
    let usable = |line: &str| -> Option<usize> {
        let mut counts = line.trim().split('/').map(str::parse::<usize>);
        let (allocated, idle) = (counts.next()?.ok()?, counts.next()?.ok()?);
        Some(allocated + idle)
    };
    let sum: usize = said.lines().filter_map(usable).sum();
    Ok((sum > 0).then_some(sum))
}

/// Submits an array of this many jobs.
pub(super) fn submit(options: &[OsString], jobs: usize) -> Result<Submission> {
    match run("sbatch", options)? {
        Ok(said) => {
            let job = job_in(&said);
            let id = |index| TaskId::new(format!("{job}_{index}"));
            Ok(Submission::Tasks((0..jobs).map(id).collect()))
        }
        Err(refused) if LATER.iter().any(|words| refused.contains(words)) => {
            Ok(Submission::Later(refused))
        }
        Err(refused) => Err(not_taken(&refused)),
    }
}

/// Submits a single job.
pub(super) fn submit_one(options: &[OsString]) -> Result<TaskId> {
    let said = run("sbatch", options)?.map_err(|refused| not_taken(&refused))?;
    Ok(TaskId::new(job_in(&said)))
}

/// Returns the job in what `sbatch` prints.
fn job_in(said: &str) -> &str {
    // With several clusters, `;` and the name of one follows.
    said.trim().split(';').next().unwrap_or_default()
}

fn not_taken(refused: &str) -> Error {
    Error::new(
        ErrorKind::Resources,
        format!("Slurm does not take the job: {refused}"),
    )
    .with_help("what the site wants beside, such as an account, goes into `site.toml`")
}

/// Lists the jobs of this user, each job of an array on a line of its own.
fn queue(format: &str) -> Result<String> {
    let user = rustix::process::getuid().as_raw().to_string();
    ask("squeue", &["-h", "-r", "-u", &user, "-o", format])
}

/// Returns how tasks stand.
pub(super) fn look(tasks: &[TaskId]) -> Result<Vec<Sight>> {
    let said = queue("%i|%T|%R")?;
    let mut jobs: HashMap<&str, (&str, &str)> = HashMap::new();
    for line in said.lines() {
        let mut fields = line.splitn(3, '|');
        if let (Some(id), Some(state), Some(where_or_why)) =
            (fields.next(), fields.next(), fields.next())
        {
            jobs.insert(id.trim(), (state.trim(), where_or_why.trim()));
        }
    }
    // Slurm holds them for ever, and they are submitted again.
    let is_held = |task: &TaskId| {
        let job = jobs.get(task.as_str());
        job.is_some_and(|(state, why)| is_queued(state) && why.contains(HELD))
    };
    let mut asked = 0;
    let sight = |task: &TaskId| match jobs.get(task.as_str()) {
        Some(_) if is_held(task) => Sight::Gone(HELD.to_owned()),
        Some((state, why)) if is_queued(state) => {
            Sight::Queued(why.trim_matches(['(', ')']).to_owned())
        }
        Some((_, node)) => Sight::Running((*node).to_owned()),
        None if asked < ASKED => {
            asked += 1;
            Sight::Gone(end_of(task))
        }
        None => Sight::Gone(String::new()),
    };
    Ok(tasks.iter().map(sight).collect())
}

fn is_queued(state: &str) -> bool {
    matches!(
        state,
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "SPECIAL_EXIT"
    )
}

/// Returns what Slurm says of a job that ended, as long as it knows.
fn end_of(task: &TaskId) -> String {
    let Ok(Ok(said)) = run("scontrol", &["show", "job", task.as_str()]) else {
        return String::new();
    };
    let wanted = ["JobState=", "Reason=", "ExitCode=", "NodeList="];
    let words = said.split_whitespace();
    let words = words.filter(|word| wanted.iter().any(|key| word.starts_with(key)));
    words.collect::<Vec<_>>().join(" ")
}

/// Cancels tasks.
pub(super) fn cancel(tasks: &[TaskId]) -> Result<()> {
    for some in tasks.chunks(AT_ONCE) {
        let names: Vec<&str> = some.iter().map(TaskId::as_str).collect();
        ask("scancel", &names)?;
    }
    Ok(())
}

/// Returns the jobs whose comments begin like this.
pub(super) fn adopt(comment: &str) -> Result<Vec<Adopted>> {
    let said = queue("%i|%k")?;
    let adopted = said.lines().filter_map(|line| {
        let (id, of) = line.split_once('|')?;
        let of = of.trim();
        let (_, index) = id.trim().split_once('_')?;
        of.starts_with(comment).then(|| {
            Some(Adopted::new(
                TaskId::new(id.trim()),
                of,
                index.parse().ok()?,
            ))
        })?
    });
    Ok(adopted.collect())
}
