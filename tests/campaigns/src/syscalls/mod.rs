//! Injects a fault at every system call of every operation: `strace` makes the call fail, or kills the process at its
//! beginning.
//!
//! Every operation runs once to count its calls, and then once for each call and each of its faults. Actors run on one
//! processor, for which the library uses one thread, so that the n-th call is always the same.

mod calls;
mod operations;

use pylightnix::prelude::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use crate::actor::{self, Ended, MARK};
use crate::audit::ONE_THREAD;
use crate::figures::Figures;
use crate::install::install;
use crate::scene::{Scene, place};
use crate::{Options, unable};
use calls::{Fault, faults, traced};
use operations::OPERATIONS;
pub(crate) use operations::Operation;

/// A fault at the `when`-th call with this name.
struct Round {
    operation: &'static Operation,
    call: String,
    when: usize,
    fault: Fault,
}

/// Runs the campaign.
///
/// # Errors
/// Fails if `strace` is missing or cannot trace, or if an operation fails without a fault.
pub fn run(options: &Options) -> Result<Figures> {
    need_strace()?;
    let place = place()?;
    let processors = processors()?;
    let scenes = processors.iter().map(|processor| {
        let place = place.path().join(processor);
        fs::create_dir(&place)?;
        Scene::new(&options.program, &place)
    });
    let scenes: Vec<Scene> = scenes.collect::<Result<_>>()?;
    let rounds = enumerate(options, &scenes[0], &processors[0])?;
    let total = rounds.len();
    let count = options.count.unwrap_or(total).min(total);
    let (next, figures) = (AtomicUsize::new(0), Mutex::new(Figures::default()));
    let work = |scene: &Scene, processor: &str| -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            let done = one(options, scene, processor, &rounds[at * total / count])?;
            figures
                .lock()
                .map_err(|_| unable("a worker panicked"))?
                .add(done);
        }
    };
    let ended: Result<Vec<()>> = thread::scope(|scope| {
        let workers = scenes.iter().zip(&processors);
        let workers: Vec<_> = workers
            .map(|(scene, processor)| scope.spawn(|| work(scene, processor)))
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .map(|ended| ended.map_err(|_| unable("a worker panicked"))?)
            .collect()
    });
    ended?;
    let mut figures = figures
        .into_inner()
        .map_err(|_| unable("a worker panicked"))?;
    figures
        .counts
        .insert("all rounds that there are".to_owned(), total);
    Ok(figures)
}

/// Returns all rounds, always in the same order.
fn enumerate(options: &Options, scene: &Scene, processor: &str) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for operation in OPERATIONS.iter().filter(|one| options.takes(one.name)) {
        scene.reset()?;
        let (_holder, _) = holder(options, scene, operation, None)?;
        let log = scene.path("trace");
        let ended = trace(options, scene, processor, operation, &traced(), None, &log)?;
        if !ended.is_good() {
            return Err(unable(format!(
                "{} without a fault: {ended:?}",
                operation.name
            )));
        }
        for (call, numbers) in numbers(&fs::read_to_string(&log)?)? {
            let faults = faults(&call).ok_or_else(|| {
                unable(format!(
                    "{} calls {call}, which has no faults yet",
                    operation.name
                ))
            })?;
            for when in numbers {
                rounds.extend(faults.iter().map(|&fault| Round {
                    operation,
                    call: call.clone(),
                    when,
                    fault,
                }));
            }
        }
    }
    Ok(rounds)
}

/// Returns the numbers, per thread, of the calls between the markers. `strace` counts separately in each thread.
fn numbers(log: &str) -> Result<BTreeMap<String, BTreeSet<usize>>> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut marks = 0;
    for line in log.lines() {
        let Some((thread, said)) = line.split_once(' ') else {
            continue;
        };
        // Resumed calls, exits and signals have no name before a parenthesis.
        let Some((name, _)) = said.trim_start().split_once('(') else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            || matches!(name, "clone" | "clone3")
        {
            continue;
        }
        let count = counts.entry((thread, name)).or_default();
        *count += 1;
        if said.contains(MARK) {
            marks += 1;
        } else if marks == 1 {
            found.entry(name.to_owned()).or_default().insert(*count);
        }
    }
    if marks == 2 {
        return Ok(found);
    }
    Err(unable(format!(
        "{marks} marks in a trace of {} lines",
        log.lines().count()
    )))
}

/// Runs one round.
fn one(options: &Options, scene: &Scene, processor: &str, round: &Round) -> Result<Figures> {
    let Round {
        operation,
        call,
        when,
        fault,
    } = round;
    scene.reset()?;
    let (mut holder, held) = holder(options, scene, operation, None)?;
    let log = scene.path("trace");
    let inject = format!("inject={call}:{}:when={when}", fault.injection());
    let trace_it = format!("trace={call}");
    let ended = trace(
        options,
        scene,
        processor,
        operation,
        &trace_it,
        Some(&inject),
        &log,
    );
    let verified = match &ended {
        Ok(ended) => operation.verify(scene, &options.program, ended, held.first()),
        // The actor hangs.
        Err(error) => Err(error.to_string()),
    };
    let verified = verified.and_then(|()| match holder.as_mut().map(|held| held.let_go()) {
        Some(Ok(false)) => Err("what another process used is gone".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    });
    let mut figures = Figures {
        rounds: 1,
        ..Figures::default()
    };
    let met = match (fault, &ended) {
        (Fault::Kill, Ok(ended)) => ended.signal.is_some(),
        _ => fs::read_to_string(&log).is_ok_and(|log| {
            let mut injected = log.lines().filter(|line| line.contains("(INJECTED)"));
            injected.any(|line| !line.contains(" clone"))
        }),
    };
    if met {
        figures.count(format!("{} {call} {}", operation.name, fault.name()));
        figures.count(format!("= {}", fault.name()));
        figures.count(match &ended {
            Ok(ended) if ended.is_good() => "= succeeded all the same",
            _ => "= did not succeed",
        });
    } else {
        figures.count("= not met");
    }
    if let Err(why) = verified {
        let violation = format!(
            "{}: {call} {} at call {when}: {why}",
            operation.name,
            fault.name()
        );
        // Print immediately: a campaign may take long.
        eprintln!("{violation}");
        figures.violations.push(violation);
    }
    Ok(figures)
}

/// Runs the actor of an operation under `strace`.
fn trace(
    options: &Options,
    scene: &Scene,
    processor: &str,
    operation: &Operation,
    what: &str,
    inject: Option<&str>,
    log: &Path,
) -> Result<Ended> {
    let mut command = Command::new("taskset");
    command.args(["-c", processor, "strace", "-f", "-qq", "-e"]);
    command
        .arg(format!("{what},clone,clone3"))
        .args(["-e", ONE_THREAD]);
    if let Some(inject) = inject {
        command.args(["-e", inject]);
    }
    // Faster, but strace 6.1 delivers no signals with it.
    if !inject.is_some_and(|inject| inject.contains("signal")) {
        command.arg("--seccomp-bpf");
    }
    command
        .arg("-o")
        .arg(log)
        .arg(&options.program)
        .arg("actor");
    actor::finish(command.args(operation.arguments(scene)))
}

/// A process that uses a realization, killed on drop.
pub(crate) struct Holder {
    child: Child,
    /// Kept open, so that the process can write its output.
    _said: Option<BufReader<ChildStdout>>,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Holder {
    /// Ends it, and returns whether it still found what it used.
    pub(crate) fn let_go(&mut self) -> Result<bool> {
        drop(self.child.stdin.take());
        Ok(self.child.wait()?.success())
    }
}

/// Returns the operation with this name.
pub(crate) fn operation(name: &str) -> Result<&'static Operation> {
    let found = OPERATIONS.iter().find(|operation| operation.name == name);
    found.ok_or_else(|| unable(format!("no operation {name}")))
}

/// Starts the process that uses an unprotected realization, if the operation has one, and returns the realization. `before`
/// is the command that runs it.
pub(crate) fn holder(
    options: &Options,
    scene: &Scene,
    operation: &Operation,
    before: Option<Command>,
) -> Result<(Option<Holder>, Vec<pylightnix::config::RRefId>)> {
    if !operation.held {
        return Ok((None, Vec::new()));
    }
    let held = scene.garbage[0].clone();
    let mut command = match before {
        Some(mut before) => {
            before.arg(&options.program);
            before
        }
        None => Command::new(&options.program),
    };
    command.args(["actor", "hold", &scene.text("store"), &held.to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let mut said = child.stdout.take().map(BufReader::new);
    if let Some(said) = &mut said {
        said.read_line(&mut line)?;
    }
    if !line.starts_with("ack ") {
        return Err(unable("a process could not use what is there"));
    }
    let holder = Holder { child, _said: said };
    Ok((Some(holder), vec![held]))
}

/// Installs `strace` if it is missing and installing is permitted.
pub fn need_strace() -> Result<()> {
    let is_there = || Command::new("strace").arg("-V").output().is_ok();
    install(&["strace"], is_there)?;
    let traced = Command::new("strace")
        .args(["-qq", "-e", "trace=none", "true"])
        .output();
    match traced {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(unable(format!(
            "strace may not trace here: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
        Err(error) => Err(unable(format!(
            "no `strace`, of the package of that name: {error}"
        ))),
    }
}

/// Returns the first processors that this process may use, at most two, each for a separate worker.
pub(crate) fn processors() -> Result<Vec<String>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut processors = Vec::new();
    for range in list.unwrap_or("0").trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        processors.extend(first.parse::<usize>()?..=last.parse()?);
    }
    Ok(processors.iter().take(2).map(usize::to_string).collect())
}
