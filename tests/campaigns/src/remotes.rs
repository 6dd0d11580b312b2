//! `remotes`: several push to one remote while others collect its garbage with a grace of seconds. All of them are stopped for a while, killed at
//! any request, and have requests that fail or are cut short. A root that a reader sees is whole, and none is lost. Where a process was stopped for longer
//! than the grace there may be holes: a verification finds them, and the next push mends them.

use fastrand::Rng;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::{Result, Store};
use pylightnix::store::remote::{Pull, Push, Remote, RemoteGc};
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::remotes::{Answer, Watched};

use crate::figures::Figures;
use crate::{Options, unable};

/// The number of rounds; 50 take ten minutes.
const ROUNDS: usize = 50;
const ROUND: Duration = Duration::from_secs(11);
const GRACE: Duration = Duration::from_secs(3);
/// The longest stop that is nothing to those who go on: less than the look of a collector may be old.
const SHORT: Duration = Duration::from_millis(700);
const PUSHERS: usize = 4;
const COLLECTORS: usize = 2;

/// Runs the campaign.
///
/// # Errors
/// Fails if an actor cannot be started.
pub fn remotes(options: &Options) -> Result<Figures> {
    let mut rng = Rng::with_seed(options.seed);
    let mut figures = Figures::default();
    for round in 0..options.count.unwrap_or(ROUNDS) {
        let folder = tests::store::folder();
        let is_long = round % 2 == 1;
        let mut stage = Stage {
            program: &options.program,
            folder: folder.path(),
            rng: Rng::with_seed(rng.u64(..)),
            actors: Vec::new(),
            is_long,
        };
        figures.rounds += 1;
        let held = stage.play(&mut figures)?;
        drop(stage);
        if let Err(why) = held {
            let kept = folder.keep();
            let place = kept.display();
            figures
                .violations
                .push(format!("round {round}: {why}; see {place}"));
        }
    }
    Ok(figures)
}

/// A process under way.
struct Actor {
    arguments: Vec<String>,
    child: Child,
    starts: usize,
}

/// The processes of a round, and the folder with their remote.
struct Stage<'a> {
    program: &'a Path,
    folder: &'a Path,
    rng: Rng,
    actors: Vec<Actor>,
    /// Whether processes are stopped for longer than the grace.
    is_long: bool,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for actor in &mut self.actors {
            let _ = actor.child.kill();
            let _ = actor.child.wait();
        }
    }
}

type Held = std::result::Result<(), String>;

impl Stage<'_> {
    fn place(&self) -> PathBuf {
        self.folder.join("shared")
    }

    fn start(&mut self, arguments: Vec<String>, starts: usize) -> Result<Actor> {
        let log = File::options().create(true).append(true).open(
            self.folder
                .join(format!("{}-{}.log", arguments[0], arguments[2])),
        )?;
        let child = Command::new(self.program)
            .arg("actor")
            .args(&arguments)
            .arg(self.rng.u64(..).to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Actor {
            arguments,
            child,
            starts,
        })
    }

    fn play(&mut self, figures: &mut Figures) -> Result<Held> {
        let place = self.place().to_string_lossy().into_owned();
        for number in 0..PUSHERS {
            let name = format!("pusher{number}");
            let arguments = ["remote push", &place, &name].map(str::to_owned);
            let actor = self.start(arguments.to_vec(), 0)?;
            self.actors.push(actor);
        }
        for number in 0..COLLECTORS {
            let name = format!("collector{number}");
            let arguments = ["remote gc", &place, &name].map(str::to_owned);
            let actor = self.start(arguments.to_vec(), 0)?;
            self.actors.push(actor);
        }
        let begun = Instant::now();
        while begun.elapsed() < ROUND {
            self.restart(figures)?;
            match self.rng.u8(..10) {
                0..5 => self.stop_one(figures)?,
                5..7 => {
                    let at = self.rng.usize(..self.actors.len());
                    self.actors[at].child.kill()?;
                    figures.count("kills");
                }
                _ if self.is_long => sleep(Duration::from_millis(200)),
                _ => {
                    if let Err(why) = self.read(figures)? {
                        return Ok(Err(why));
                    }
                }
            }
        }
        for actor in &mut self.actors {
            actor.child.kill()?;
            actor.child.wait()?;
        }
        self.end(figures)
    }

    /// Starts those again that ended.
    fn restart(&mut self, figures: &mut Figures) -> Result<()> {
        for at in 0..self.actors.len() {
            if let Some(status) = self.actors[at].child.try_wait()? {
                if status.code() == Some(101) {
                    return Err(unable("an actor panicked"));
                }
                figures.count("processes that died and were started again");
                let (arguments, starts) = {
                    let actor = &self.actors[at];
                    (actor.arguments.clone(), actor.starts + 1)
                };
                self.actors[at] = self.start(arguments, starts)?;
            }
        }
        Ok(())
    }

    /// Stops a process for a while.
    fn stop_one(&mut self, figures: &mut Figures) -> Result<()> {
        let at = self.rng.usize(..self.actors.len());
        let longest = if self.is_long { 2 * GRACE } else { SHORT };
        let time = longest.mul_f64(self.rng.f64());
        let id = self.actors[at].child.id();
        let pid = rustix::process::Pid::from_child(&self.actors[at].child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP)
            .map_err(|error| unable(format!("process {id} cannot be stopped: {error}")))?;
        sleep(time);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
        figures.count(match time > GRACE {
            true => "stops beyond the grace",
            false => "stops within the grace",
        });
        Ok(())
    }

    /// Reads all roots, and pulls what they keep.
    fn read(&mut self, figures: &mut Figures) -> Result<Held> {
        let remote = Remote::open(&self.place().to_string_lossy())?;
        for number in 0..PUSHERS {
            let name = format!("pusher{number}");
            let Some(rrefs) = remote.root(&name)? else {
                continue;
            };
            let why = match whole(&remote, &rrefs)? {
                Ok(()) => {
                    figures.count("roots that a reader found whole");
                    continue;
                }
                Err(why) => why,
            };
            // Replaced meanwhile, the old one may go.
            if remote.root(&name)?.as_ref() == Some(&rrefs) {
                return Ok(Err(format!("the root {name} is not whole: {why}")));
            }
        }
        Ok(Ok(()))
    }

    /// Looks at what is left when all have ended.
    fn end(&mut self, figures: &mut Figures) -> Result<Held> {
        let place = self.place().to_string_lossy().into_owned();
        let remote = Remote::open(&place)?;
        let verified = remote.verify(1.0)?;
        for hole in &verified.holes {
            figures.count(format!(
                "holes: {}",
                hole.object.split('/').next().unwrap_or_default()
            ));
        }
        if !self.is_long && !verified.holes.is_empty() {
            return Ok(Err(format!("holes without a long stop: {verified:?}")));
        }
        // No root keeps it, or that root is not whole: a collector was killed between the segments of a dependent and of what it was made from.
        for _ in &verified.lost {
            figures.count("garbage of which a part was deleted");
        }
        for number in 0..PUSHERS {
            let name = format!("pusher{number}");
            let log = self.folder.join(format!("remote push-{name}.log"));
            let said = fs::read_to_string(log)?;
            let pushed = said
                .lines()
                .filter(|line| line.starts_with("root "))
                .count();
            *figures.counts.entry("pushes".to_owned()).or_default() += pushed;
            let failed = said
                .lines()
                .filter(|line| line.starts_with("failed "))
                .count();
            *figures
                .counts
                .entry("pushes that failed".to_owned())
                .or_default() += failed;
            if let Some(strange) = said.lines().find(|line| line.contains("panicked")) {
                return Ok(Err(strange.to_owned()));
            }
            let found = remote.root(&name)?;
            if pushed > 0 && found.is_none() {
                return Ok(Err(format!("the root {name} is lost")));
            }
            if let Some(rrefs) = found {
                // What verify calls sound is whole; what it does not, the next push mends.
                if let Err(why) = whole(&remote, &rrefs)? {
                    if verified.is_sound() || !self.is_long {
                        return Ok(Err(format!(
                            "{name} is not whole, and nobody said so: {why}"
                        )));
                    }
                    figures.count("roots with holes");
                    let store = Store::open(self.folder.join(&name))?;
                    Push::new(&store, &remote).root(&name).run(&rrefs)?;
                    if let Err(why) = whole(&remote, &rrefs)? {
                        return Ok(Err(format!("{name} is not mended by a push: {why}")));
                    }
                    figures.count("roots that a push mended");
                }
            }
        }
        for number in 0..COLLECTORS {
            let log = self.folder.join(format!("remote gc-collector{number}.log"));
            let said = fs::read_to_string(log)?;
            let deleted = said
                .lines()
                .filter_map(|line| line.strip_prefix("deleted "));
            let deleted: usize = deleted
                .filter_map(|number| number.parse::<usize>().ok())
                .sum();
            *figures
                .counts
                .entry("objects deleted".to_owned())
                .or_default() += deleted;
            let runs = said
                .lines()
                .filter(|line| line.starts_with("deleted "))
                .count();
            *figures.counts.entry("collections".to_owned()).or_default() += runs;
        }
        Ok(Ok(()))
    }
}

/// Whether realizations can be pulled into a new store, with all that they were made from.
fn whole(remote: &Remote, rrefs: &[RRefId]) -> Result<Held> {
    let folder = tests::store::folder();
    let store = Store::open(folder.path().join("reader"))?.with_durability(Durability::None);
    let held = match Pull::new(&store, remote).run(rrefs) {
        Ok(pulled) => pulled.left_out.first().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = held {
        return Ok(Err(why));
    }
    match store.check().contents().run()?.is_sound() {
        true => Ok(Ok(())),
        false => Ok(Err("what was pulled is damaged".to_owned())),
    }
}

/// Opens the remote at a place. Of its requests 5 % fail or are cut short, and one in 400 kills the process.
fn faulty(place: &str, seed: u64) -> Remote {
    let rng = std::sync::Mutex::new(Rng::with_seed(seed));
    Remote::over(Watched::with(Path::new(place), move |_, _| {
        let Ok(mut rng) = rng.lock() else {
            return Answer::Done;
        };
        match rng.u16(..400) {
            0 => Answer::Dies,
            1..11 => Answer::Failed,
            11..21 => Answer::Cut,
            _ => Answer::Done,
        }
    }))
}

/// Pushes ever other results, until it is killed.
pub(crate) fn push(place: &str, name: &str, seed: u64) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let folder = Path::new(place).parent().unwrap_or(Path::new("."));
    let store = Store::open(folder.join(name))?.with_durability(Durability::None);
    let remote = faulty(place, rng.u64(..));
    loop {
        // What all of them push, one after the other, and give up again.
        let below = publish(&store, &format!("shared{}", rng.u8(..12)), &[])?;
        let middle = publish(&store, &format!("middle{}", rng.u8(..6)), &[&below])?;
        let top = publish(&store, &format!("{name}-{}", rng.u8(..40)), &[&middle])?;
        match Push::new(&store, &remote).root(name).run([&top]) {
            Ok(_) => say(&format!("root {top}"))?,
            Err(error) => say(&format!("failed {error}"))?,
        }
        sleep(Duration::from_millis(rng.u64(..300)));
    }
}

/// Collects garbage, until it is killed.
pub(crate) fn collect(place: &str, seed: u64) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let remote = faulty(place, rng.u64(..));
    loop {
        let collecting = RemoteGc::new(&remote)
            .newer_than(Duration::ZERO)
            .grace(GRACE);
        match collecting.run() {
            Ok(collected) => say(&format!("deleted {}", collected.deleted.objects))?,
            Err(error) => say(&format!("failed {error}"))?,
        }
        sleep(Duration::from_millis(rng.u64(..500)));
    }
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Publishes a realization that is the same in all stores: a small file, and a blob.
fn publish(store: &Store, name: &str, on: &[&RRefId]) -> Result<RRefId> {
    let deps: Vec<String> = on
        .iter()
        .map(|rref| format!("\"{}\"", rref.dref()))
        .collect();
    let text = format!("{{\"name\": \"{name}\", \"on\": [{}]}}", deps.join(", "));
    let mut draft = store.plumbing().draft()?;
    fs::write(draft.out().join("small"), name)?;
    fs::write(draft.out().join("blob"), format!("{name} ").repeat(10_000))?;
    let mut build = BuildRecord::now(BuildKind::Build);
    // The same record for all, so that packs are the same, too.
    build.id = uuid::Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0001);
    build.start = "2026-01-01T00:00:00Z".parse()?;
    build.stop = build.start;
    build.command = Vec::new();
    let context: Context = on.iter().map(|rref| (*rref).clone()).collect();
    let config = ConfigJson::from_json(&text)?;
    Ok(draft.publish(&config, &context, Outcome::Ok, &build)?.id)
}
