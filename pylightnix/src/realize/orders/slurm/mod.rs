//! Tasks as jobs of Slurm, through its commands.
//!
//! `commands` calls them and reads what they print, `script` is what a job runs, and `site` reads what a cluster wants beside.

mod commands;
mod script;
mod site;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::executor::{Adopted, Batch, Executor, Room, Sight, Submission, TaskId};
use crate::store::RunFolder;
use crate::{Error, Result};
use site::Site;

/// Runs stages as jobs of [Slurm](https://slurm.schedmd.com), on a cluster whose machines all see the folder of the store: see
/// [`Realize::on`](crate::realize::Realize::on).
///
/// What a stage needs becomes the job's: `threads`, `memory`, `resources` (as `--gres`) and, if it has one, its time limit. Stages that
/// need the same are submitted as one array, and short ones share tasks. What the site wants beside, such as an account, is in a file,
/// `site.toml`: its table `[slurm]` may have the texts `account`, `qos`, `partition`, `constraint` and `reservation`, the lists `extra`
/// (options of `sbatch`) and `setup` (lines of shell before the program, such as `module load cuda`), and a table `gres` with the name
/// that each resource has in Slurm. With `guess_time = true`, tasks whose stages have no time limits ask for three times the time that
/// they usually take; one that takes longer is submitted again with the time of the partition, and that is no try of a stage. The file is the first there is of `$PYLIGHTNIX_SITE`, `pylightnix/site.toml` in
/// `$XDG_CONFIG_HOME` (`~/.config`), and `/etc/pylightnix/site.toml`.
///
/// ```no_run,standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::realize::Slurm;
/// # #[derive(Config)] struct Train {}
/// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
///
/// fn experiment(_: &Run<'_>) -> Result<DRef<Train>> {
///     Ok(instantiate(Train::new())?)
/// }
///
/// fn main() -> Result<()> {
///     pylightnix::worker(experiment)?;
///     let store = Store::open("/shared/store")?;
///     Realize::new(&store).on(Slurm::new().partition("gpu").at_most(50)).evaluate(experiment)?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Slurm {
    partition: Option<String>,
    at_most: usize,
    pack: Duration,
    known: OnceLock<Known>,
    /// When it was asked for the first time.
    asked: OnceLock<Instant>,
}

/// What is asked once in a run.
#[derive(Debug)]
struct Known {
    site: Site,
    room: Room,
}

/// How many times as long as expected a task may take whose time is guessed.
const GUESS: u32 = 3;

/// How long Slurm may take until it answers for the first time.
const ANSWERS: Duration = Duration::from_secs(60);

/// How many tasks are in the queue at once, unless something else is said.
const AT_MOST: usize = 200;

impl Slurm {
    /// Submits to the default partition.
    pub fn new() -> Self {
        Slurm {
            partition: None,
            at_most: AT_MOST,
            pack: Duration::from_secs(60),
            known: OnceLock::new(),
            asked: OnceLock::new(),
        }
    }

    /// Submits to this partition.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>) -> Self {
        self.partition = Some(name.into());
        self
    }

    /// Sets how many tasks may be in the queue at once, those that run included. The default is 200.
    #[must_use]
    pub fn at_most(mut self, tasks: usize) -> Self {
        self.at_most = tasks.max(1);
        self
    }

    /// Sets how long a task should take at least, if there are enough short builds to share it. The default is a minute.
    #[must_use]
    pub fn pack(mut self, time: Duration) -> Self {
        self.pack = time;
        self
    }

    /// Submits a command as a job of one processor that drives a run, and prints to the [output](RunFolder::output) of the run.
    #[doc(hidden)]
    pub fn submit_driver(&self, run: &RunFolder, command: &[OsString]) -> Result<TaskId> {
        let site = Site::read()?;
        let record = run.record()?;
        let script = run.path().join("driver.sh");
        let text = script::of_command(command, &site);
        fs::write(&script, text).map_err(|error| Error::io("write", &script, error))?;
        let mut options: Vec<OsString> = ["--parsable", "--requeue", "--open-mode=append"]
            .map(Into::into)
            .into();
        options.push(format!("--job-name={}", record.program).into());
        options.push(format!("--comment=pylightnix-run:{}", run.id()).into());
        options.push("--cpus-per-task=1".into());
        let words = site.options(self.partition.as_deref());
        options.extend(words.into_iter().map(OsString::from));
        options.push(with_path("--chdir=", &record.folder));
        options.push(with_path("--output=", &unpatterned(&run.output())));
        options.push(script.into());
        commands::submit_one(&options)
    }

    fn known(&self) -> Result<&Known> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let site = Site::read()?;
        let partition = self.partition.as_deref().or(site.partition.as_deref());
        let mut room = Room::new(self.at_most).batch(commands::array_size()?);
        if let Some(slots) = commands::processors(partition)? {
            room = room.slots(slots);
        }
        Ok(self.known.get_or_init(|| Known { site, room }))
    }
}

impl Default for Slurm {
    fn default() -> Self {
        Slurm::new()
    }
}

impl Executor for Slurm {
    fn room(&self) -> Result<Room> {
        let since = *self.asked.get_or_init(Instant::now);
        match self.known() {
            Ok(known) => Ok(known.room),
            Err(error) if commands::may_pass(&error) && since.elapsed() < ANSWERS => {
                Ok(Room::new(0))
            }
            Err(error) => Err(error),
        }
    }

    fn pack(&self) -> Duration {
        self.pack
    }

    fn submit(&self, batch: &Batch) -> Result<Submission> {
        let site = &self.known()?.site;
        let script = batch.place.join("script");
        let text = script::of(batch, site);
        fs::write(&script, text).map_err(|error| Error::io("write", &script, error))?;
        let mut options = options(batch, site, self.partition.as_deref());
        options.push(script.into_os_string());
        commands::submit(&options, batch.orders.len())
    }

    fn look(&self, tasks: &[TaskId]) -> Result<Vec<Sight>> {
        commands::look(tasks)
    }

    fn cancel(&self, tasks: &[TaskId]) -> Result<()> {
        commands::cancel(tasks)
    }

    fn adopt(&self, comment: &str) -> Result<Vec<Adopted>> {
        commands::adopt(comment)
    }
}

/// Returns the options of `sbatch` for a batch.
fn options(batch: &Batch, site: &Site, partition: Option<&str>) -> Vec<OsString> {
    let needs = &batch.needs;
    let mut options = vec![
        "--parsable".to_owned(),
        "--requeue".to_owned(),
        "--open-mode=append".to_owned(),
        format!("--array=0-{}", batch.orders.len() - 1),
        format!("--job-name={}", batch.name),
        format!("--comment={}", batch.comment),
        format!("--cpus-per-task={}", needs.threads.max(1)),
    ];
    if needs.memory > 0 {
        options.push(format!("--mem={}M", needs.memory.div_ceil(1 << 20)));
    }
    if !needs.resources.is_empty() {
        let gres = needs.resources.iter();
        let gres = gres.map(|(name, amount)| format!("{}:{amount}", site.gres_of(name)));
        options.push(format!("--gres={}", gres.collect::<Vec<_>>().join(",")));
    }
    // One that takes longer than it was guessed is lost, and then submitted with the time of the partition.
    let guessed = batch.expected.filter(|_| site.guess_time);
    let guessed = guessed.map(|time| time.saturating_mul(GUESS));
    if let Some(time) = batch.time.or(guessed) {
        // What the program needs beside its stages.
        options.push(format!("--time={}", time.as_secs().div_ceil(60) + 1));
    }
    options.extend(site.options(partition));
    let mut options: Vec<OsString> = options.into_iter().map(Into::into).collect();
    options.push(with_path("--chdir=", &batch.folder));
    let output = unpatterned(&batch.place).join("%a.out");
    options.push(with_path("--output=", &output));
    options
}

/// Returns an option with a path.
fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    option.push(path);
    option
}

/// Returns a path for an option where `%` begins a placeholder.
fn unpatterned(path: &Path) -> PathBuf {
    PathBuf::from(path.to_string_lossy().replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realize::orders::executor::Needs;

    #[test]
    fn what_a_stage_needs_becomes_the_job_s() {
        let needs = Needs {
            threads: 4,
            memory: 3 << 29,
            resources: [("gpu".to_owned(), 2)].into(),
        };
        let batch = Batch {
            place: "/s/50%/orders/0".into(),
            command: vec!["/s/bin/x".into(), "it's".into()],
            folder: "/home/ada".into(),
            orders: vec!["/s/0.json".into(), "/s/1.json".into()],
            needs,
            time: Some(Duration::from_secs(61)),
            expected: None,
            name: "x".to_owned(),
            comment: "c".to_owned(),
        };
        let mut batch = batch;
        let guessed = |batch: &Batch, text: &str| {
            let site = Site::parse(text).unwrap();
            let options = options(batch, &site, None).into_iter();
            let options = options.map(|option| option.into_string().unwrap());
            options
                .into_iter()
                .find(|option| option.starts_with("--time="))
        };
        let said = batch.time.take();
        batch.expected = Some(Duration::from_secs(50));
        let may = "[slurm]\nguess_time = true";
        assert_eq!(guessed(&batch, may).unwrap(), "--time=4");
        assert_eq!(guessed(&batch, ""), None);
        batch.expected = None;
        assert_eq!(guessed(&batch, may), None);
        batch.time = said;
        let text = "[slurm]\naccount = \"lab\"\nextra = [\"--nice\"]\nsetup = [\"module load cuda\"]\ngres = { gpu = \"gpu:a100\" }";
        let site = Site::parse(text).unwrap();
        let options = options(&batch, &site, Some("big"));
        for wanted in [
            "--array=0-1",
            "--cpus-per-task=4",
            "--mem=1536M",
            "--gres=gpu:a100:2",
            "--time=3",
            "--account=lab",
            "--nice",
            "--partition=big",
            "--requeue",
            "--open-mode=append",
            "--comment=c",
            "--chdir=/home/ada",
            "--output=/s/50%%/orders/0/%a.out",
        ] {
            assert!(
                options.iter().any(|option| option == wanted),
                "{wanted}: {options:?}"
            );
        }
        let script = String::from_utf8(script::of(&batch, &site)).unwrap();
        assert!(script.contains("module load cuda\n"), "{script}");
        assert!(script.contains("'/s/bin/x' 'it'\\''s'\n"), "{script}");
    }
}
