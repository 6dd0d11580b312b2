//! The processes into which faults are injected: `campaigns actor OPERATION ROOT ..`.
//!
//! An actor prints each line immediately: `ack <rref>` when the library reports that this realization is published (or
//! linked), and `done` at the end of the operation. It exits with 0, or with 1 and an error; anything else, such as a panic,
//! is a violation.

use pylightnix::Error;
use pylightnix::config::{ConfigJson, DRefId, RRefId};
use pylightnix::prelude::*;
use pylightnix::realize::{Event, Processes};
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, GcEvent, Outcome, RunRecord};
use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::{processes, remotes, sealed, unable};

/// A path that does not exist: actors call `stat` on it at the beginning and at the end of their work, which marks these
/// points in a trace of system calls.
pub const MARK: &str = "/campaigns-mark";

/// Runs the actor with these arguments to its end.
pub fn main(arguments: &[String]) -> ExitCode {
    let _ = fs::metadata(MARK);
    let done = act(arguments);
    let _ = fs::metadata(MARK);
    match done.and_then(|()| say("done")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Errors are ignored: the disk of standard error may be full as well.
            let _ = writeln!(std::io::stderr(), "{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line, unbuffered.
fn say(line: &str) -> Result<()> {
    // In one write, which a kill cannot interrupt.
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| unable(format!("nobody hears {line:?}: {error}")))
}

/// Prints that the halting point is reached, and waits for the end of the input.
fn halt() -> Result<()> {
    say("made")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

pub(crate) fn acknowledge(rref: &RRefId) -> Result<()> {
    say(&format!("ack {rref}"))
}

fn act(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // A chain of realizations.
        ["publish", root, tag, count] => publish(&Store::open(root)?, tag, number(count)?)?,
        // Another realization of the first of those.
        ["publish another", root, tag] => {
            publish_another(&Store::open(root)?, tag, "another")?;
        }
        // The same, and carries the result of the second of the chain to that realization.
        ["carry", root, tag] => carry(&Store::open(root)?, tag, "another")?,
        // A chain of two, and carries the second to ever other results of the first, until it is killed or fails.
        ["carry on", root, tag] => {
            let store = Store::open(root)?;
            publish(&store, tag, 2)?;
            for number in 0_u64.. {
                carry(&store, tag, &number.to_string())?;
            }
        }
        // A plan of layers of two stages; numbers from `seed` on.
        ["realize", root, layers, seed] => {
            realize(&Store::open(root)?, number(layers)?, number(seed)?)?;
        }
        // The same, in processes.
        ["realize in processes", root, layers, seed] => {
            let (layers, seed) = (number(layers)?, number(seed)?);
            pylightnix::worker(|_| plan(layers, seed))?;
            let store = Store::open(root)?;
            realize_by(
                Realize::new(&store).on(Processes::new()),
                layers,
                seed,
                |_| (),
            )?;
        }
        // A plan of stages in processes of which some die.
        ["dying", root, how] => processes::act(root, how)?,
        // A plan of sealed stages that try what they may not.
        ["sealed", root, count, trials @ ..] => sealed::act(root, count, trials)?,
        // The same, with a halt when its first build has a folder.
        ["halt in a build", root, layers, seed] => {
            let (layers, seed) = (number(layers)?, number(seed)?);
            realize_and(&Store::open(root)?, layers, seed, |event| {
                if matches!(event, Event::Attempt { .. }) {
                    // Without a reader, there is no need to halt.
                    let _ = halt();
                }
            })?;
        }
        // The same, and then uses its results until the end of the input.
        ["stay", root, layers, seed] => {
            realize(&Store::open(root)?, number(layers)?, number(seed)?)?;
            halt()?;
        }
        // Realizations of one small file without dependencies, with durability `None`.
        ["many", root, count] => {
            let store = Store::open(root)?.with_durability(Durability::None);
            many(&store, number(count)?)?;
        }
        // Ordinary operations, which succeed in any intact store.
        ["normal", root] => {
            let store = Store::open(root)?;
            realize(&store, 2, 900)?;
            publish(&store, "after", 2)?;
        }
        // Dies during a build, without cleanup.
        ["die", root] => {
            let draft = Store::open(root)?.plumbing().draft()?;
            fs::write(draft.out().join("half"), "of it")?;
            std::process::abort();
        }
        // A build that fails, whose folder is kept.
        ["fail", root] => fail(&Store::open(root)?)?,
        ["gc", root] => {
            let report = Store::open(root)?.gc().run()?;
            say(&format!("alone {}", report.alone.as_secs_f64()))?;
            refused(report.refused)?;
        }
        // The same, with a halt when the objects to remove are chosen.
        ["halt in a gc", root] => {
            let store = Store::open(root)?;
            let halted = store.gc().observer(|event| {
                if matches!(event, GcEvent::Chosen { .. }) {
                    let _ = halt();
                }
            });
            refused(halted.run()?.refused)?;
        }
        // Collects repeatedly, until it is killed or fails.
        ["collect", root] => loop {
            Store::open(root)?.gc().run()?;
        },
        // Pushes other results again and again, until it is killed or fails; the same as a collector.
        ["remote push", place, name, seed] => remotes::push(place, name, number(seed)?)?,
        ["remote gc", place, _, seed] => remotes::collect(place, number(seed)?)?,
        // The result does not matter here, only that the check completes.
        ["check", root] => drop(Store::open(root)?.check().contents().run()?),
        ["pack", root, archive] => {
            let store = Store::open(root)?;
            store.pack(store.rrefs()?, archive)?;
        }
        ["unpack", root, archive] => {
            let unpacked = Store::open(root)?.unpack(archive)?;
            unpacked.iter().try_for_each(acknowledge)?;
        }
        ["copy", root, other] => {
            let other = Store::open(other)?;
            let copied = Store::open(root)?.copy_from(&other, other.rrefs()?)?;
            copied.iter().try_for_each(acknowledge)?;
        }
        ["link", root, rref, path] => {
            let rref: RRefId = rref.parse()?;
            Store::open(root)?.link(&rref, path)?;
            acknowledge(&rref)?;
        }
        ["root", root, rref, name] => {
            let rref: RRefId = rref.parse()?;
            Store::open(root)?.add_root(name, &rref)?;
            acknowledge(&rref)?;
        }
        ["note", root, rref] => {
            let (store, rref): (_, RRefId) = (Store::open(root)?, rref.parse()?);
            store.note(&rref, "seen")?;
            store.tag(&rref, "seen")?;
            acknowledge(&rref)?;
        }
        ["journal", root] => {
            let record = RunRecord::now("campaigns", ["all".to_owned()]);
            let journal = Store::open(root)?.begin_run(&record, "{}")?;
            for at in 0..3 {
                journal.event(&format!("{{\"event\":\"number\",\"at\":{at}}}"))?;
                journal.answers("{\"\":[]}")?;
            }
            journal.event("{\"event\":\"ended\"}")?;
        }
        ["remove", root, rref] => {
            let rref: RRefId = rref.parse()?;
            let report = Store::open(root)?.remove(&rref).with_dependents().run()?;
            refused(report.refused)?;
        }
        ["repair", root, peers @ ..] => {
            let store = Store::open(root)?;
            let peers: Result<Vec<Store>, Error> = peers.iter().map(Store::open).collect();
            let peers = peers?;
            let report = peers
                .iter()
                .fold(store.repair(), |repair, peer| repair.with(peer));
            refused(report.run()?.refused)?;
        }
        // Uses a realization until the end of the input.
        ["hold", root, rref] => {
            let (store, rref): (_, RRefId) = (Store::open(root)?, rref.parse()?);
            store.plumbing().use_derivations([rref.dref()])?;
            store.realization(&rref)?;
            acknowledge(&rref)?;
            std::io::stdin().read_to_end(&mut Vec::new())?;
            store.realization(&rref)?;
        }
        other => return Err(unable(format!("no actor does {other:?}"))),
    }
    Ok(())
}

fn number(text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| unable(format!("{text:?} is no number")))
}

/// Returns the first failed system call as an error.
fn refused(refused: Vec<Error>) -> Result<()> {
    refused
        .into_iter()
        .next()
        .map_or(Ok(()), |error| Err(error.into()))
}

fn config(name: &str, on: Option<&DRefId>) -> Result<ConfigJson> {
    let on = on.map_or_else(String::new, |on| format!(",\n    \"on\": \"{on}\""));
    Ok(ConfigJson::from_json(&format!(
        "{{\n    \"name\": \"{name}\"{on}\n}}"
    ))?)
}

fn publish(store: &Store, tag: &str, count: u64) -> Result<()> {
    let mut last: Option<RRefId> = None;
    for at in 0..count {
        let config = config(&format!("{tag}-{at}"), last.as_ref().map(RRefId::dref))?;
        let context: Context = last.iter().cloned().collect();
        let mut draft = store.plumbing().draft()?;
        let out = draft.out().to_owned();
        write_artifacts(&out, &format!("{tag} {at}"))
            .map_err(|error| unable(format!("an artifact: {error}")))?;
        let build = BuildRecord::now(BuildKind::Build);
        let published = draft.publish(&config, &context, Outcome::Ok, &build)?;
        acknowledge(&published.id)?;
        last = Some(published.id);
    }
    Ok(())
}

fn publish_another(store: &Store, tag: &str, text: &str) -> Result<RRefId> {
    let config = config(&format!("{tag}-0"), None)?;
    let mut draft = store.plumbing().draft()?;
    fs::write(draft.out().join("text"), text)?;
    let build = BuildRecord::now(BuildKind::Build);
    let published = draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
    acknowledge(&published.id)?;
    Ok(published.id)
}

fn carry(store: &Store, tag: &str, text: &str) -> Result<()> {
    let first = config(&format!("{tag}-0"), None)?;
    let second = config(&format!("{tag}-1"), Some(first.id()))?;
    let plumbing = store.plumbing();
    plumbing.use_derivations([first.id(), second.id()])?;
    let context = Context::from_iter([publish_another(store, tag, text)?]);
    for rref in store.rrefs_of(second.id())? {
        let old = store.realization(&rref)?;
        if old.context != context {
            let builds: Vec<&BuildRecord> = old.builds().iter().take(1).collect();
            let carried = plumbing.carry(&old, &context, &builds)?;
            return acknowledge(&carried.id);
        }
    }
    Err(unable("nothing to carry"))
}

fn many(store: &Store, count: u64) -> Result<()> {
    for at in 0..count {
        let mut draft = store.plumbing().draft()?;
        fs::write(draft.out().join("text"), at.to_string())?;
        let build = BuildRecord::now(BuildKind::Build);
        let config = config(&format!("many-{at}"), None)?;
        let published = draft.publish(&config, &Context::empty(), Outcome::Ok, &build)?;
        acknowledge(&published.id)?;
    }
    Ok(())
}

/// Writes an entry of each kind, and a file with more than one block.
fn write_artifacts(out: &Path, text: &str) -> std::io::Result<()> {
    fs::write(out.join("text"), text)?;
    fs::create_dir(out.join("below"))?;
    fs::write(out.join("below/long"), text.repeat(2000))?;
    let program = out.join("below/program");
    fs::write(&program, "#!/bin/sh\n")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    symlink("below/long", out.join("link"))
}

/// A stage that writes its number and the beginning of its dependencies.
#[derive(Config)]
struct Node {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    #[dref]
    deps: Vec<DRef<Node>>,
    number: u64,
}

#[stage(matcher = only())]
fn node(b: &Build<Node>) -> Result<NodeOutputs> {
    b.record("number", 0, b.number as f64)?;
    let mut text = b.number.to_string();
    for dep in &b.deps {
        // Only the beginning: the size would double with every layer.
        let dep = dep.out.load()?;
        text.push_str(&format!(
            "\nfrom {}",
            dep.lines().next().unwrap_or_default()
        ));
    }
    Ok(NodeOutputs {
        out: b.out.save(&text)?,
    })
}

/// Returns layers of two stages, each with both stages of the previous layer as dependencies.
fn plan(layers: u64, seed: u64) -> Result<Vec<DRef<Node>>> {
    let mut layer: Vec<DRef<Node>> = Vec::new();
    for depth in 0..layers {
        let below = layer.clone();
        let next = (0..2).map(|at| instantiate(Node::new(below.clone(), seed + depth * 2 + at)));
        layer = next.collect::<Result<_, Error>>()?;
    }
    Ok(layer)
}

fn realize(store: &Store, layers: u64, seed: u64) -> Result<()> {
    realize_and(store, layers, seed, |_| ())
}

fn realize_and(
    store: &Store,
    layers: u64,
    seed: u64,
    observe: impl Fn(&Event<'_>) + Send + Sync,
) -> Result<()> {
    realize_by(Realize::new(store), layers, seed, observe)
}

fn realize_by(
    run: Realize<'_>,
    layers: u64,
    seed: u64,
    observe: impl Fn(&Event<'_>) + Send + Sync,
) -> Result<()> {
    let told = |event: &Event<'_>| {
        observe(event);
        if let Event::Published { rref, .. } = event {
            // Without a reader, acknowledgements are ignored.
            let _ = acknowledge(rref);
        }
    };
    let rrefs = run.jobs(1).observer(told).run(&plan(layers, seed)?)?;
    rrefs.iter().try_for_each(|rref| acknowledge(rref.id()))
}

fn fail(store: &Store) -> Result<()> {
    let draft = store.plumbing().draft()?;
    fs::write(draft.out().join("part"), "of it").map_err(|error| unable(error.to_string()))?;
    draft.keep_failed(&"failing".parse()?)?;
    Ok(())
}

/// The end of an actor.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code, if it was not killed.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The acknowledged realizations.
    pub acknowledged: Vec<RRefId>,
    /// Whether it printed `done`.
    pub done: bool,
    /// Its standard error.
    pub error: String,
}

impl Ended {
    /// Returns whether it completed its work.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code == Some(0) && self.done
    }

    /// Returns whether its end is permitted after a fault: success, an error, or a kill.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        match self.code {
            Some(0) => self.done,
            Some(1) => true,
            // The loader's system calls are counted together with those of a thread.
            Some(127) => self.error.contains("error while loading shared libraries"),
            Some(_) => false,
            None => self.signal == Some(9),
        }
    }
}

/// A longer run counts as a hang.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs an actor to its end.
///
/// # Errors
/// Fails if it cannot be started, or hangs and is killed.
pub fn run(program: &Path, arguments: &[&str]) -> Result<Ended> {
    let mut command = Command::new(program);
    command.arg("actor").args(arguments);
    finish(&mut command)
}

/// Runs a command that ends like an actor.
///
/// # Errors
/// As [`run`].
pub fn finish(command: &mut Command) -> Result<Ended> {
    let said = |error: std::io::Error| unable(format!("{error}"));
    // Output goes to files, so that no process waits for a pipe.
    let (mut out, mut err) = (
        tempfile::tempfile().map_err(said)?,
        tempfile::tempfile().map_err(said)?,
    );
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(said)?)
        .stderr(err.try_clone().map_err(said)?)
        .process_group(0)
        .spawn()
        .map_err(said)?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            break status;
        }
        if begun.elapsed() > LONGEST {
            if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
            return Err(unable(format!("{command:?} hangs")));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut text = [String::new(), String::new()];
    for (file, text) in [&mut out, &mut err].into_iter().zip(&mut text) {
        file.rewind().map_err(said)?;
        file.read_to_string(text).map_err(said)?;
    }
    let [out, error] = text;
    let acknowledged = out.lines().filter_map(|line| line.strip_prefix("ack "));
    Ok(Ended {
        code: status.code(),
        signal: status.signal(),
        acknowledged: acknowledged.map(str::parse).collect::<Result<_, Error>>()?,
        done: out.lines().any(|line| line == "done"),
        error,
    })
}
