//! What a stage function gets: its config's fields while it runs.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;

use super::log::BuildLog;
use super::{Chosen, Config, Dependency, Omitted, Output, Phase, Progress, Promise, Site, Step};
use super::{environment, process, seed};
use crate::config::{ConfigJson, DRefId, Digest, Name};
use crate::plan::{Args, Run, RunArg, TakesArg};
use crate::{Error, ErrorKind, Result};

/// The phase of fields reached from a [`Build`].
#[derive(Clone, Copy, Debug)]
pub enum Building {}

/// Where the fields of a running stage come from.
#[doc(hidden)]
pub struct BuildingSource {
    stage: Name,
    out: Arc<Path>,
    chosen: Chosen,
}

impl Phase for Building {
    type Dep<D: Dependency> = D::Realized;
    type Artifact<F: 'static, Tag: 'static> = Output<F, Tag>;
    type Source = BuildingSource;

    fn dep<D: Dependency>(from: &BuildingSource, dep: &D) -> D::Realized {
        dep.resolve(&from.chosen)
    }

    fn artifact<F: 'static, Tag: 'static>(
        from: &BuildingSource,
        promise: &'static Promise,
    ) -> Output<F, Tag> {
        Output::new(&from.stage, &from.out, promise)
    }
}

/// One run of a stage: what its function is given.
///
/// It dereferences to the config's fields: dependencies are realized (`b.ref_params.out.load()`), promises can be
/// written (`b.out.save(&value)`), anything else is what the config says (`b.maxiter`): the value as it comes back from the
/// JSON that the reference is made of, or as it was given if it is `unhashed`.
pub struct Build<C: Config> {
    json: ConfigJson,
    /// The fields that the config leaves out.
    omitted: Omitted,
    source: BuildingSource,
    cache: PathBuf,
    progress: Progress,
    index: usize,
    log: BuildLog,
    site: Site,
    args: Args,
    lens: C::Lens<Building>,
}

impl<C: Config> Build<C> {
    pub(crate) fn new(json: &ConfigJson, config: &C, omitted: Omitted, run: Run<'_>) -> Self {
        let source = BuildingSource {
            stage: json.id().name().clone(),
            out: run.out.into(),
            chosen: run.chosen.clone(),
        };
        let lens = config.lens::<Building>(&source);
        Build {
            json: json.clone(),
            omitted,
            source,
            cache: run.cache.to_owned(),
            progress: run.progress,
            index: run.index,
            log: run.log,
            site: run.site,
            args: run.args.clone(),
            lens,
        }
    }

    /// The derivation that is being realized.
    pub fn dref(&self) -> &DRefId {
        self.json.id()
    }

    /// The folder whose whole content is published when the stage succeeds, artifacts beyond the promises included.
    pub fn path(&self) -> &Path {
        &self.source.out
    }

    /// The store's folder for what can be made again: whatever is in there may go at any time.
    #[cfg_attr(
        not(feature = "fetch"),
        expect(dead_code, reason = "only downloads are kept")
    )]
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Tells the observers of the run how far this is: so much is `done`, of a `total` if that is known, in any unit. Say
    /// it as often as you like: it is passed on ten times in a second at most, and costs nothing when nobody observes.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let step = || Step {
            dref: self.dref().clone(),
            index: self.index,
            done,
            total,
        };
        self.progress.say(step, total == Some(done));
    }

    /// Which of the runs of this derivation it is, from 0: `nouts` runs and those that a matcher asks for are counted
    /// on from the realizations that are there.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The log of this build, a [`std::io::Write`]: it is kept beside the result, and with a failed build.
    pub fn log(&self) -> &BuildLog {
        &self.log
    }

    /// When this run began. The build record has it too, with the time when it ended.
    pub fn start(&self) -> Timestamp {
        self.site.start
    }

    /// How many threads it may keep busy: those that `#[stage(threads = n)]` asks for, else 1.
    pub fn threads(&self) -> usize {
        self.site.threads
    }

    /// A folder for what is needed only while the stage runs. It is empty at first, and gone afterwards; that of a failed
    /// build is kept with it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self) -> Result<&Path> {
        let scratch = &self.site.scratch;
        match std::fs::create_dir(scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("create the folder", scratch, error))
            }
            _ => Ok(scratch),
        }
    }

    /// A number to begin random numbers with, which is the same whenever and wherever this run of this derivation is
    /// made: the first 8 bytes of [`seed_bytes`](Self::seed_bytes), the lowest first.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Walk { #[selfref("seed.json")] pub out: SelfRef<Json<u64>> }
    /// #[stage(many, nouts = 2)]
    /// fn walk(b: &Build<Walk>) -> Result<WalkOutputs> {
    ///     // With the crate `rand`: `StdRng::from_seed(b.seed_bytes())`, or `StdRng::seed_from_u64(b.seed())`.
    ///     Ok(WalkOutputs { out: b.out.save(&b.seed())? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let walks = store.realize(&instantiate(Walk::new())?)?;
    /// assert_ne!(walks[0].out.load()?, walks[1].out.load()?);
    /// # Ok(()) }
    /// ```
    pub fn seed(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.seed_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The sha256 of three lines, each ended by a newline: `pylightnix-seed-v1`, the [derivation](Self::dref), and the
    /// [index](Self::index) in decimal. So it differs between derivations and between the runs of one, and is the same
    /// when a run is made again.
    pub fn seed_bytes(&self) -> [u8; 32] {
        seed::seed(self.dref(), self.index)
    }

    /// Whether the stage has to stop: its time is up, or somebody cancelled. Nothing ends the thread of a stage, so one
    /// that works for long looks now and then; [`run`](Self::run) does.
    pub fn cancelled(&self) -> bool {
        self.site.stop.why().is_some()
    }

    /// Fails when the stage has to stop: in a loop that works for long, `b.check()?`.
    ///
    /// # Errors
    /// The time is up, or somebody cancelled.
    pub fn check(&self) -> Result<()> {
        match self.site.stop.why() {
            None => Ok(()),
            Some(why) => Err(why.error()),
        }
    }

    fn fields(&self) -> environment::Fields<'_> {
        environment::Fields {
            json: &self.json,
            more: &self.omitted,
            out: &self.source.out,
            chosen: &self.source.chosen,
        }
    }

    /// A command for [`run`](Self::run), with this build as environment variables and no input.
    ///
    /// Each field of the config is a variable of its name (of its key, with `rename`), as in Pylightnix:
    ///
    /// | field | its variable |
    /// |---|---|
    /// | a promise | the path where it is to be written |
    /// | a dependency | the folder of its artifacts, or the path of the one artifact that the field names; several are a line each, and those of a map `key=path` |
    /// | a text, a number, a `bool` | as it is |
    /// | another value | JSON in one line; an empty list of dependencies too, `[]` |
    /// | `None` | none |
    ///
    /// A field whose key no variable can have as its name, as one with `=`, has none. Linux starts no program with a variable
    /// of 128 KiB or more: where a field is that long, remove its variable (`Command::env_remove`) and have the program read
    /// [`field_file`](Self::field_file) or [`fields_file`](Self::fields_file). Then there are
    ///
    /// | variable | |
    /// |---|---|
    /// | `PYLIGHTNIX_OUT` | the folder that is published, [`path`](Self::path) |
    /// | `PYLIGHTNIX_SCRATCH` | the folder that is gone afterwards, [`scratch`](Self::scratch) |
    /// | `PYLIGHTNIX_DREF` | the derivation |
    /// | `PYLIGHTNIX_INDEX`, `PYLIGHTNIX_SEED`, `PYLIGHTNIX_THREADS` | [`index`](Self::index), [`seed`](Self::seed), [`threads`](Self::threads) |
    ///
    /// All other variables are those of this program.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let fields = self.fields().variables();
        // A config that this library wrote has fields.
        for (key, value) in fields.unwrap_or_default() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        // If it cannot be made, the command finds nothing there, and `scratch()` says why.
        let _ = self.scratch();
        command
            .env("PYLIGHTNIX_OUT", self.path())
            .env("PYLIGHTNIX_SCRATCH", &self.site.scratch)
            .env("PYLIGHTNIX_DREF", self.dref().to_string())
            .env("PYLIGHTNIX_INDEX", self.index.to_string())
            .env("PYLIGHTNIX_SEED", self.seed().to_string())
            .env("PYLIGHTNIX_THREADS", self.threads().to_string())
            .stdin(Stdio::null());
        command
    }

    /// A JSON file in the [scratch folder](Self::scratch) with all fields of the config, of any size, by their keys: promises
    /// and dependencies are paths, a dependency of which several realizations were chosen is a list of paths, and other
    /// values are as they are in the config.
    ///
    /// # Errors
    /// It cannot be written; a path in it is not UTF-8.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)]
    /// # pub struct Sum { #[selfref("sum.txt")] pub out: SelfRef<Text>, pub numbers: Vec<u64> }
    /// #[stage]
    /// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    ///     let mut command = b.command("sh");
    ///     // However many there are.
    ///     command.env_remove("numbers").env("fields", b.fields_file()?);
    ///     b.run(command.args(["-c", "grep -c '^ *[0-9]' $fields > $out"]))?;
    ///     Ok(SumOutputs { out: b.out.written()? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let sum = store.realize(&instantiate(Sum::new((0..100_000).collect()))?)?;
    /// assert_eq!(sum.out.load()?, "100000\n");
    /// # Ok(()) }
    /// ```
    pub fn fields_file(&self) -> Result<PathBuf> {
        let fields = self.fields().as_json()?;
        let path = self.scratch()?.join("fields.json");
        std::fs::write(&path, format!("{fields:#}\n"))
            .map_err(|error| Error::io("write", &path, error))?;
        Ok(path)
    }

    /// A file in the [scratch folder](Self::scratch) with what the [variable](Self::command) of one field would hold, of any
    /// size, and a line break at its end: a list of dependencies is a line each. `key` is the field's key in the config.
    ///
    /// # Errors
    /// The config has no such field, or the file cannot be written.
    pub fn field_file(&self, key: &str) -> Result<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let text = self.fields().variable(key)?;
        let text = text.ok_or_else(|| {
            let message = format!("stage `{}` has no field `{key}`", self.dref().name());
            Error::new(ErrorKind::Stage, message)
                .help("name a field by its key in the config: its name, or what `rename` says")
        })?;
        let folder = self.scratch()?.join("fields");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create the folder", &folder, error))?;
        let path = folder.join(file_name_of(key));
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(b'\n');
        std::fs::write(&path, bytes).map_err(|error| Error::io("write", &path, error))?;
        Ok(path)
    }

    /// Runs a command to its end, with all that it prints in the [log](Self::log) at once.
    ///
    /// It has a process group of its own, which ends with it: what it leaves running is killed, and so is all of it when
    /// this program ends first, however that happens. When the stage has to stop, its processes are asked to
    /// (`SIGTERM`), and killed if they do not.
    ///
    /// # Errors
    /// A program that cannot be started, a status that is not 0, a signal: with the last lines that it printed. A stage
    /// that has to stop, as [`check`](Self::check).
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)]
    /// # pub struct Greeting { #[selfref("hello.txt")] pub out: SelfRef<Text>, pub whom: String }
    /// #[stage]
    /// fn greeting(b: &Build<Greeting>) -> Result<GreetingOutputs> {
    ///     b.run(b.command("sh").args(["-c", "echo greeting; echo hello $whom > $out"]))?;
    ///     Ok(GreetingOutputs { out: b.out.written()? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let greeting = store.realize(&instantiate(Greeting::new("world".to_owned()))?)?;
    /// assert_eq!(greeting.out.load()?, "hello world\n");
    /// # Ok(()) }
    /// ```
    pub fn run(&self, command: &mut Command) -> Result<()> {
        process::run(command, &self.log, &self.site.stop)
    }

    /// The run-time argument of type `T`, which the stage declares, `#[stage(args(T))]`, and the run gives; see
    /// [`Realize::arg`](crate::realize::Realize::arg).
    pub fn arg<T: RunArg>(&self) -> &T
    where
        C: TakesArg<T>,
    {
        match self.args.get() {
            Some(arg) => arg,
            None => {
                unreachable!("the run was not begun without the arguments that its stages declare")
            }
        }
    }
}

/// A file's name for a key: the key, unless no file can be called so.
fn file_name_of(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match (1..=100).contains(&key.len()) && key.chars().all(is_plain) {
        true => key.to_owned(),
        // A dot is in no plain name.
        false => format!("{}.key", Digest::of(key.as_bytes())),
    }
}

impl<C: Config> Deref for Build<C> {
    type Target = C::Lens<Building>;

    fn deref(&self) -> &Self::Target {
        &self.lens
    }
}

impl<C: Config> fmt::Debug for Build<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Build({}, run {})", self.dref(), self.index)
    }
}
