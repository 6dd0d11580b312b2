//! Drivers: the processes that decide what a run builds. One can leave its terminal, and another can go on with the run of one that is
//! gone.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::setsid;

use crate::exit::CommandResult;
use crate::session::Session;
use pylightnix::experiment::Answers;
use pylightnix::realize::{Slurm, TaskId};
use pylightnix::store::{RunFolder, RunJournal, RunRecord, RunStanding, Store};
use pylightnix::{Error, ErrorKind};

/// The variable that tells a process which run it drives: its identifier, `:`, and the number of the process, since the programs that
/// stages start have the variable too.
const DRIVER: &str = "PYLIGHTNIX_DRIVER";

/// Starts `"$@"` with the variable, in the same process, which does not end with the terminal.
const START: &str =
    "trap '' HUP; PYLIGHTNIX_DRIVER=$1:$$; export PYLIGHTNIX_DRIVER; shift; exec \"$@\"";

/// Says on standard output that the process does not end with the terminal any more, and appends to the file `$1` what it says then. Comes
/// before [`START`].
const STAYS: &str = "trap '' HUP; echo; exec >>\"$1\" 2>&1; shift; ";

/// The file with the job that is the driver of a run.
const JOB: &str = "job";

/// How long a driver may take to begin.
const BEGINS: Duration = Duration::from_secs(30);

/// Goes on with the run that this process was started to drive, in a session of its own; `None` if it was started for none.
pub(crate) fn resumed(store: &Store) -> CommandResult<Option<(RunJournal, Answers)>> {
    let Ok(driven) = env::var(DRIVER) else {
        return Ok(None);
    };
    let Some((run, process)) = driven.split_once(':') else {
        return Ok(None);
    };
    if process.parse() != Ok(std::process::id()) {
        return Ok(None);
    }
    // The process of a job leads its session already.
    let _ = setsid();
    let run = store.run_named(run)?;
    let answers = run.answers()?;
    // A run that was killed before its plan was made may have left none.
    let answers = serde_json::from_str(&answers).unwrap_or_default();
    Ok(Some((store.resume_run(&run)?, answers)))
}

/// Whether this process was started to drive a run.
pub(crate) fn is_driver() -> bool {
    let driven = env::var(DRIVER).unwrap_or_default();
    let process = driven.split_once(':').map(|(_, process)| process.parse());
    process == Some(Ok(std::process::id()))
}

/// Makes the folder of a run that another process is to drive.
pub(crate) fn new_run(
    store: &Store,
    program: &str,
    targets: &[String],
) -> CommandResult<RunFolder> {
    let record = RunRecord::now(program, targets.iter().cloned());
    let journal = store.begin_run(&record, "{}")?;
    Ok(store.run_named(&journal.id().to_string())?)
}

/// Starts a driver for a run, in a session of its own. Returns it before it has begun, and when this process may end with its terminal.
/// `place` is that of the store, if it was named.
pub(crate) fn start(
    place: Option<&Path>,
    run: &RunFolder,
    program: &Path,
    arguments: &[OsString],
) -> CommandResult<Child> {
    let folder = run.record()?.folder;
    let path = run.output();
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    let output = opened.map_err(|error| Error::io("open", &path, error))?;
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg(format!("{STAYS}{START}"))
        .arg("sh")
        .arg(&path)
        .arg(run.id().to_string())
        .arg(program)
        .args(arguments)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(output);
    if let Some(place) = place {
        command.env("PYLIGHTNIX_ROOT", place.canonicalize()?);
    }
    let refused = |error| Error::io("run the program", program, error);
    let mut driver = command.spawn().map_err(refused)?;
    // Until it says so, the end of the terminal is its end.
    let mut said = [0];
    let stays = driver
        .stdout
        .take()
        .map_or(Ok(0), |mut out| out.read(&mut said));
    match stays.map_err(refused)? {
        0 => Err(not_begun(run).into()),
        _ => Ok(driver),
    }
}

/// Waits until a driver has taken its run over, or is gone.
pub(crate) fn expect_begun(run: &RunFolder, driver: &mut Child) -> CommandResult<()> {
    let begun = Instant::now();
    while begun.elapsed() < BEGINS {
        if run.standing()? != RunStanding::Killed {
            return Ok(());
        }
        if driver.try_wait()?.is_some() {
            // It may have done all there was to do.
            if run.standing()? != RunStanding::Killed {
                return Ok(());
            }
            break;
        }
        sleep(Duration::from_millis(20));
    }
    Err(not_begun(run).into())
}

fn not_begun(run: &RunFolder) -> Error {
    let message = format!("the process of run {} did not begin its work", run.id());
    Error::new(ErrorKind::Io, message)
        .at(run.path())
        .with_help(format!("what it said is in {}", run.output().display()))
}

/// Returns the program that can go on with a run whose process is gone, and its arguments.
pub(crate) fn program_of(
    session: &Session,
    run: &RunFolder,
) -> CommandResult<(PathBuf, Vec<OsString>)> {
    let record = run.record()?;
    let own = || {
        let is_it = session
            .experiment()
            .is_some_and(|experiment| experiment.program() == record.program);
        is_it.then(env::current_exe).transpose()
    };
    // The copy is that of the tasks: what they build, it takes over.
    let program = match run.program() {
        Some(program) => Some(program),
        None => own()?,
    };
    let program = program.ok_or_else(|| {
        let message = format!("the process of run {} is gone", run.id());
        Error::new(ErrorKind::Missing, message).with_help(format!(
            "its program can go on with it: `{} attach`",
            record.program
        ))
    })?;
    let arguments = record.command.iter().skip(1).map(OsString::from);
    Ok((program, arguments.collect()))
}

/// Copies this program to the folder of a run, since another one may be built in its place. Returns the copy, and the arguments.
pub(crate) fn copied(run: &RunFolder) -> CommandResult<(PathBuf, Vec<OsString>)> {
    let mut arguments = env::args_os();
    let name = PathBuf::from(arguments.next().unwrap_or_default());
    let name = name.file_name().unwrap_or("experiment".as_ref());
    let bin = run.path().join("bin");
    fs::create_dir_all(&bin).map_err(|error| Error::io("create", &bin, error))?;
    let copy = bin.join(name);
    let program = match Path::new("/proc/self/exe") {
        this if this.exists() => this.to_owned(),
        _ => env::current_exe()?,
    };
    fs::copy(&program, &copy).map_err(|error| Error::io("copy this program to", &copy, error))?;
    Ok((copy, arguments.collect()))
}

/// Submits a driver for a run as a job of one processor, and returns the job.
pub(crate) fn submit(
    slurm: &Slurm,
    session: &Session,
    run: &RunFolder,
    program: &Path,
    arguments: &[OsString],
) -> CommandResult<TaskId> {
    let mut command: Vec<OsString> = ["/bin/sh", "-c", START, "sh"].map(Into::into).into();
    command.push(run.id().to_string().into());
    command.push(program.into());
    command.extend_from_slice(arguments);
    if let Some(place) = session.place() {
        let mut root = OsString::from("PYLIGHTNIX_ROOT=");
        root.push(place.canonicalize()?);
        command.splice(0..0, ["/usr/bin/env".into(), root]);
    }
    let job = slurm.submit_driver(run, &command)?;
    let path = run.path().join(JOB);
    fs::write(&path, job.as_str()).map_err(|error| Error::io("write", &path, error))?;
    Ok(job)
}

/// Returns how to come back to a run.
pub(crate) fn how_to_attach(place: Option<&Path>, run: &RunFolder) -> String {
    let mut words = vec![env::args().next().unwrap_or_default()];
    if let Some(place) = place {
        words.extend(["--store".to_owned(), place.display().to_string()]);
    }
    format!("`{} attach {}` shows it", words.join(" "), run.id())
}

/// Returns the job that is the driver of a run, if it is one.
pub(crate) fn job_of(run: &RunFolder) -> Option<TaskId> {
    let job = fs::read_to_string(run.path().join(JOB)).ok()?;
    Some(TaskId::new(job.trim()))
}
