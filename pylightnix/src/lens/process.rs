//! Child processes of a stage: in a group of their own, with their output in the log, and never left behind.

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

/// How much of a child's last output an error repeats: so many bytes, and of those so many lines.
const LAST_BYTES: u64 = 8 << 10;
const LAST_LINES: usize = 20;

/// Runs a command to its end. What it prints goes to `log`, as it prints it.
pub(super) fn run(command: &mut Command, log: &BuildLog, stop: &Stop) -> Result<()> {
    if let Some(why) = stop.why() {
        return Err(why.error());
    }
    let open = || -> io::Result<(File, File, u64)> {
        let file = log.file()?;
        Ok((file.try_clone()?, file.try_clone()?, file.metadata()?.len()))
    };
    let (out, err, begin) = open().map_err(|error| Error::io("open", log.path(), error))?;
    let child = command
        .stdout(out)
        .stderr(err)
        // So that all that it starts can be ended with it.
        .process_group(0)
        .spawn()
        .map_err(|error| not_started(command, error))?;
    // The command keeps copies of the log's descriptors otherwise.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = wait(child, stop).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot wait for {}", shown(command))).because(error)
    })?;
    match stop.why() {
        Some(why) => {
            let why = why.error();
            Err(Error::new(why.kind(), format!("{} was stopped", shown(command))).because(why))
        }
        None if status.success() => Ok(()),
        None => {
            let folder = log.path().parent().unwrap_or(Path::new("."));
            Err(failed(command, status, &last_lines(log, begin), folder))
        }
    }
}

/// Waits for a child and ends what it left running.
fn wait(mut child: Child, stop: &Stop) -> io::Result<ExitStatus> {
    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else {
        return child.wait();
    };
    // As `wait` does: a child that reads to the end of its input would wait for us.
    drop(child.stdin.take());
    let guard = Guard::of(pid);
    stop.watch(pid);
    // Its number is its own until `wait`: nobody else's process can be killed by it.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    stop.unwatch(pid);
    drop(guard);
    child.wait()
}

/// A process that ends a group when this program ends before it, however that happens. For that it reads from a pipe
/// whose other end only this program has. It is in the group, and killed with it.
struct Guard(Option<Child>);

/// `$1` is the group.
const GUARD: &str =
    "trap '' HUP INT TERM; read -r _; kill -s TERM -- \"-$1\"; sleep 5; kill -s KILL -- \"-$1\"";

impl Guard {
    fn of(group: Pid) -> Self {
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "sh"])
            .arg(group.as_raw_pid().to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(group.as_raw_pid())
            .spawn();
        // Without one, children outlive a program that is killed, and all else is as well.
        Guard(guard.ok())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(guard) = &mut self.0 {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

/// A command as it would be typed, shortened.
fn shown(command: &Command) -> String {
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

fn not_started(command: &Command, error: io::Error) -> Error {
    let program = command.get_program().to_string_lossy();
    let folder = command.get_current_dir();
    let help = match (error.kind(), folder) {
        (io::ErrorKind::NotFound, Some(folder)) if !folder.is_dir() => {
            format!("its folder is not there: {}", folder.display())
        }
        (io::ErrorKind::NotFound, _) if program.contains('/') => {
            format!("there is no {program}, or the interpreter in its first line is not there")
        }
        (io::ErrorKind::NotFound, _) => {
            format!("no folder of PATH has it: install it, or name it by its whole path; `which {program}` tells")
        }
        (io::ErrorKind::PermissionDenied, _) => format!("`chmod +x` makes a file a program: see `ls -l {program}`"),
        (io::ErrorKind::ArgumentListTooLong, _) => too_long(command),
        (io::ErrorKind::InvalidInput, _) => {
            "an argument, or a field of the config, has a zero byte in it: `Command::env_remove` removes a variable"
                .to_owned()
        }
        _ => String::new(),
    };
    let error =
        Error::new(ErrorKind::Stage, format!("cannot start {}", shown(command))).because(error);
    match help.is_empty() {
        true => error,
        false => error.help(help),
    }
}

/// Linux takes no argument and no variable of this length or more (execve(2)), nor too many shorter ones.
const TOO_LONG: usize = 128 << 10;

/// What to do about arguments and variables that the system does not take.
fn too_long(command: &Command) -> String {
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

/// `folder` is where its log is.
fn failed(command: &Command, status: ExitStatus, last: &str, folder: &Path) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}{}", name_of(signal)),
        (None, None) => format!("ended: {status}"),
    };
    let error = Error::new(ErrorKind::Stage, format!("{} {how}", shown(command)));
    let error = match last {
        "" if is_full(folder) => {
            error.because("the disk is full: what it printed could not be written")
        }
        "" => error.because("it printed nothing"),
        last => error.because(format!("its last lines were\n{last}")),
    };
    match status.signal() {
        Some(signal) if signal == Signal::KILL.as_raw() => {
            error.help("a system that runs out of memory kills like this: `dmesg` tells")
        }
        _ => error,
    }
}

fn name_of(signal: i32) -> &'static str {
    let names = [
        (Signal::HUP, " (SIGHUP)"),
        (Signal::INT, " (SIGINT)"),
        (Signal::QUIT, " (SIGQUIT)"),
        (Signal::ILL, " (SIGILL)"),
        (Signal::ABORT, " (SIGABRT)"),
        (Signal::BUS, " (SIGBUS)"),
        (Signal::FPE, " (SIGFPE)"),
        (Signal::KILL, " (SIGKILL)"),
        (Signal::SEGV, " (SIGSEGV)"),
        (Signal::PIPE, " (SIGPIPE)"),
        (Signal::TERM, " (SIGTERM)"),
        (Signal::XCPU, " (SIGXCPU)"),
    ];
    let name = names.iter().find(|(named, _)| named.as_raw() == signal);
    name.map_or("", |(_, name)| name)
}

/// The last lines that were written to the log after `begin`, fit to be printed.
fn last_lines(log: &BuildLog, begin: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let (mut file, end) = open_regular(log.path())?;
        let from = end.saturating_sub(LAST_BYTES).max(begin);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        if from > begin {
            // It begins in the middle of a line.
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
        // What a terminal would show of a line that was written over.
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
