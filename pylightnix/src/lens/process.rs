//! Child processes of a stage: each has a process group, writes to the log, and never outlives the stage.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::log::BuildLog;
use super::stop::Stop;
use crate::store::is_full;
use crate::store::regular::open_regular;
use crate::{Error, ErrorKind, Result};

/// The maximal size, in bytes, of the output that an error repeats.
const LAST_BYTES: u64 = 8 << 10;
/// The maximal number of lines of output that an error repeats.
const LAST_LINES: usize = 20;

/// Runs a command and waits for its end. Its output goes directly to `log`.
pub(super) fn run(command: &mut Command, log: &BuildLog, stop: &Stop) -> Result<()> {
    if let Some(reason) = stop.reason() {
        return Err(reason.error());
    }
    let open = || -> io::Result<(File, File, u64)> {
        let file = log.file()?;
        Ok((file.try_clone()?, file.try_clone()?, file.metadata()?.len()))
    };
    let (out, err, begin) = open().map_err(|error| Error::io("open", log.path(), error))?;
    let child = command
        .stdout(out)
        .stderr(err)
        // The group contains the descendants too, so that they can be killed.
        .process_group(0)
        .spawn()
        .map_err(|error| start_error(command, error))?;
    // Close the command's copies of the log's file descriptors.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = wait(child, stop).map_err(|error| {
        Error::new(
            ErrorKind::Io,
            format!("cannot wait for {}", display(command)),
        )
        .because(error)
    })?;
    match stop.reason() {
        Some(reason) => {
            let cause = reason.error();
            Err(
                Error::new(cause.kind(), format!("{} was stopped", display(command)))
                    .because(cause),
            )
        }
        None if status.success() => Ok(()),
        None => {
            let folder = log.path().parent().unwrap_or(Path::new("."));
            Err(exit_error(command, status, &last_lines(log, begin), folder))
        }
    }
}

/// Waits for a child, then kills its remaining descendants.
fn wait(mut child: Child, stop: &Stop) -> io::Result<ExitStatus> {
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else {
        return child.wait();
    };
    // As `Child::wait` does: otherwise a child that reads its input to the end would never exit.
    drop(child.stdin.take());
    let watchdog = Watchdog::of(pid);
    stop.watch(pid);
    // With NOWAIT the pid stays reserved until `Child::wait`, so no signal can reach another process.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    stop.unwatch(pid);
    drop(watchdog);
    child.wait()
}

/// A watchdog process that kills a process group if this process ends first, even by a crash. It waits for the end of a pipe
/// whose write end only this process holds. The watchdog is a member of the group, and is killed with it.
struct Watchdog(Option<Child>);

/// The shell script of the watchdog; `$1` is the process group.
const WATCHDOG: &str =
    "trap '' HUP INT TERM; read -r _; kill -s TERM -- \"-$1\"; sleep 5; kill -s KILL -- \"-$1\"";

impl Watchdog {
    fn of(group: Pid) -> Self {
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(group.as_raw_pid().to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(group.as_raw_pid())
            .spawn();
        // A missing watchdog is not an error: children then only outlive a process that is killed.
        Watchdog(watchdog.ok())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(watchdog) = &mut self.0 {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
    }
}

/// Formats a command as a user would type it, shortened.
fn display(command: &Command) -> String {
    const LONGEST: usize = 200;
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
        match !argument.is_empty() && argument.chars().all(plain) {
            true => text.push_str(&format!(" {argument}")),
            false => text.push_str(&format!(" {argument:?}")),
        }
        if text.len() > LONGEST {
            text = text.chars().take(LONGEST).collect();
            text.push_str("..");
            break;
        }
    }
    format!("`{text}`")
}

fn start_error(command: &Command, error: io::Error) -> Error {
    let program = command.get_program().to_string_lossy();
    let folder = command.get_current_dir();
    let help = match (error.kind(), folder) {
        (io::ErrorKind::NotFound, Some(folder)) if !folder.is_dir() => {
            format!("its working directory does not exist: {}", folder.display())
        }
        (io::ErrorKind::NotFound, _) if program.contains('/') => {
            format!("{program} does not exist, or the interpreter in its first line does not exist")
        }
        (io::ErrorKind::NotFound, _) => {
            format!("it is not in PATH: install it, or use its absolute path; `which {program}` looks it up")
        }
        (io::ErrorKind::PermissionDenied, _) => format!("make the file executable with `chmod +x`; `ls -l {program}` shows its mode"),
        (io::ErrorKind::ArgumentListTooLong, _) => length_advice(command),
        (io::ErrorKind::InvalidInput, _) => {
            "an argument, or a field of the config, has a zero byte in it: `Command::env_remove` removes a variable"
                .to_owned()
        }
        _ => String::new(),
    };
    let error = Error::new(
        ErrorKind::Stage,
        format!("cannot start {}", display(command)),
    )
    .because(error);
    match help.is_empty() {
        true => error,
        false => error.with_help(help),
    }
}

/// The length, in bytes, from which Linux refuses an argument or a variable: MAX_ARG_STRLEN, see execve(2). The total is
/// limited too.
const TOO_LONG: usize = 128 << 10;

/// Returns advice about arguments or variables that are too long for the system.
fn length_advice(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(key, value)| {
        let length = key.len() + value?.len() + "=\0".len();
        (length >= TOO_LONG).then(|| format!("`{}`", key.to_string_lossy()))
    });
    let variables: Vec<_> = variables.collect();
    if variables.is_empty() {
        return "its arguments and variables are too long together: write them to a file in `b.scratch()?`, and remove \
                variables with `Command::env_remove`"
            .to_owned();
    }
    format!(
        "too long for an environment variable: {}; remove it with `Command::env_remove`, and have the program read \
         the file that `b.field_file(\"..\")?` or `b.fields_file()?` gives, which take values of any size",
        variables.join(", ")
    )
}

/// Makes the error for a command that failed. `folder` is the folder of its log.
fn exit_error(command: &Command, status: ExitStatus, last: &str, folder: &Path) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => {
            let name = signal_name(signal).map(|name| format!(" ({name})"));
            format!("was ended by signal {signal}{}", name.unwrap_or_default())
        }
        (None, None) => format!("ended: {status}"),
    };
    let error = Error::new(ErrorKind::Stage, format!("{} {how}", display(command)));
    let error = match last {
        "" if is_full(folder) => error.because("the disk is full: its output could not be written"),
        "" => error.because("it printed nothing"),
        last => error.because(format!("its last lines were\n{last}")),
    };
    match status.signal() {
        Some(signal) if signal == Signal::KILL.as_raw() => error
            .with_help("Linux kills processes like this when it runs out of memory: see `dmesg`"),
        _ => error,
    }
}

/// Returns the name of a signal that ends processes.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    let name = names.iter().find(|(named, _)| named.as_raw() == signal);
    name.map(|(_, name)| *name)
}

/// Returns the last lines of the log after the offset `begin`, without control characters.
fn last_lines(log: &BuildLog, begin: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let (mut file, end) = open_regular(log.path())?;
        let from = end.saturating_sub(LAST_BYTES).max(begin);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        if from > begin {
            // The first line may be incomplete.
            let line = bytes.iter().position(|byte| *byte == b'\n');
            bytes.drain(..line.map_or(0, |line| line + 1));
        }
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let clean = |line: &&str| -> String {
        // Progress bars overwrite lines with `\r`: keep the last version, as a terminal does.
        let line = line.rsplit('\r').next().unwrap_or_default();
        let visible = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        line.chars().map(visible).collect()
    };
    last.iter().map(clean).collect::<Vec<_>>().join("\n")
}
