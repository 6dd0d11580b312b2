//! The argument of a stage function: the fields of its config, and the services of the run.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;

use super::log::BuildLog;
use super::{
    Chosen, Config, Dependency, Omitted, Output, Phase, ProgressSender, Promise, Recorder, Site,
    StageReport,
};
use super::{environment, process, seed};
use crate::config::{ConfigJson, DRefId, Digest, Name};
use crate::plan::{Args, Run, RunArg, TakesArg};
use crate::{Error, ErrorKind, Result};

/// The phase of the fields of a [`Build`].
#[derive(Clone, Copy, Debug)]
pub enum Building {}

/// The source of the fields of a running stage.
#[doc(hidden)]
pub struct BuildingSource {
    stage: Name,
    out: Arc<Path>,
    chosen: Chosen,
}

impl fmt::Debug for BuildingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildingSource")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
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

/// One run of a stage, as the argument of its function.
///
/// It dereferences to the fields of the config: dependencies are realized (`b.ref_params.out.load()`), promises can be
/// written (`b.out.save(&value)`), and other fields have their values (`b.maxiter`). A value is the one that the config's
/// JSON deserializes to; an `unhashed` field has the value that the plan gave it.
///
/// What the stage looks at in its dependencies is noted, and is in the build record as
/// [`reads`](crate::store::BuildRecord::reads): the artifacts that it loads, or all of a realization of which it takes a path. Handles
/// that leave the stage go on noting until it ends; to look at them later is an [error](crate::realize::Event::LookedLate).
pub struct Build<C: Config> {
    json: ConfigJson,
    /// The fields that the config's JSON omits.
    omitted: Omitted,
    source: BuildingSource,
    cache: PathBuf,
    progress: ProgressSender,
    recorder: Recorder,
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
            recorder: run.progress.recorder(),
            progress: run.progress,
            index: run.index,
            log: run.log,
            site: run.site,
            args: run.args.clone(),
            lens,
        }
    }

    /// Returns the derivation that is being realized.
    pub fn dref(&self) -> &DRefId {
        self.json.id()
    }

    /// Returns the folder whose whole content is published when the stage succeeds, artifacts beyond the promises included.
    pub fn path(&self) -> &Path {
        &self.source.out
    }

    /// Returns the cache folder of the store, whose files may be deleted at any time.
    #[cfg_attr(
        not(feature = "fetch"),
        expect(dead_code, reason = "only downloads are kept")
    )]
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Reports progress to the observers of the run: `done` of `total`, if the total is known, in any unit. Call it as often
    /// as you like: at most ten reports per second are passed on, and without observers a call costs nothing.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let report = || StageReport::Progress {
            dref: self.dref().clone(),
            index: self.index,
            done,
            total,
        };
        self.progress.send(report, total == Some(done));
    }

    /// Returns the index of this run among all runs of the derivation, from 0. Indices of new runs (`nouts`, or as many as a
    /// matcher asks for) follow those of the existing realizations.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the log of this build, which implements [`std::io::Write`]. It is kept with the result, or with the failed
    /// build.
    pub fn log(&self) -> &BuildLog {
        &self.log
    }

    /// Records a number in a series, such as the loss at a step of a training. `show`, `compare` and `graph` draw the series, a
    /// running stage's is on the display, and [`Store::series`](crate::store::Store::series) returns them.
    ///
    /// Series are kept with the build record, as the log is, and are no part of the result: whether and what a stage records does
    /// not change its reference. Each number is written at once, so that those of a failed build are there, in the file
    /// `series.jsonl` of its folder; of several tries, the last one's are kept. Any thread may record. Steps may come in any order,
    /// and of a step that is recorded again the last number counts.
    ///
    /// # Errors
    /// The name is empty or longer than 1000 bytes, or the number cannot be written.
    pub fn record(&self, name: &str, step: u64, value: impl Into<f64>) -> Result<()> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            let message = format!("a series cannot have a name of {} bytes", name.len());
            return Err(Error::new(ErrorKind::Stage, message)
                .with_help("call it by what it measures, such as `loss`"));
        }
        let value = value.into();
        self.log.record(name, step, value)?;
        self.recorder.send(name, || StageReport::Recorded {
            dref: self.dref().clone(),
            index: self.index,
            name: name.to_owned(),
            step,
            value,
        });
        Ok(())
    }

    /// Returns the time when this run began. The build record holds it too, with the time when the run ended.
    pub fn start(&self) -> Timestamp {
        self.site.start
    }

    /// Returns the number of threads that the stage may use: the `n` of `#[stage(threads = n)]`, else 1.
    pub fn threads(&self) -> usize {
        self.site.threads
    }

    /// Returns the units of a resource that are this run's own while it runs, as many as `#[stage(resources(gpu = n))]` needs: no
    /// other stage of the run of the program has one of them at the same time, and every try has the same ones.
    ///
    /// Their names are those that [`Realize::resource_units`](crate::realize::Realize::resource_units) gave them, or `0`, `1`, ..
    /// if only an amount is declared. For a resource that the stage does not need, the list is empty.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { #[selfref("on.txt")] pub on: SelfRef<Text> }
    /// #[stage(resources(gpu = 1))]
    /// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    ///     // A program finds its GPU in a variable.
    ///     b.run(b.command("sh").args(["-c", "echo $CUDA_VISIBLE_DEVICES >> $on"]))?;
    ///     assert_eq!(b.units("gpu"), ["2"]);
    ///     Ok(TrainOutputs { on: b.on.written()? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let run = Realize::new(&store).resource_units("gpu", ["2", "3"]);
    /// assert_eq!(run.run(&instantiate(Train::new())?)?.on.load()?, "2\n");
    /// # Ok(()) }
    /// ```
    pub fn units(&self, resource: &str) -> Vec<String> {
        let units = self.site.units.as_ref();
        units.map_or_else(Vec::new, |units| units.names(resource))
    }

    /// Returns a folder for temporary files. It is empty at first and deleted after the run; the folder of a failed build is
    /// kept with the build.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn scratch(&self) -> Result<&Path> {
        let scratch = &self.site.scratch;
        match std::fs::create_dir(scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("create the folder", scratch, error))
            }
            _ => Ok(scratch),
        }
    }

    /// Returns a seed for a random number generator, which is the same whenever and wherever this run of this derivation is
    /// made: the first 8 bytes of [`seed_bytes`](Self::seed_bytes), in little-endian order.
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
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let walks = store.realize(&instantiate(Walk::new())?)?;
    /// assert_ne!(walks[0].out.load()?, walks[1].out.load()?);
    /// # Ok(()) }
    /// ```
    pub fn seed(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.seed_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the SHA-256 digest of three lines, each terminated by a newline: `pylightnix-seed-v1`, the
    /// [derivation](Self::dref), and the [index](Self::index) in decimal. So the seed differs between derivations and
    /// between the runs of a derivation, and is the same when a run is repeated.
    pub fn seed_bytes(&self) -> [u8; 32] {
        seed::seed(self.dref(), self.index)
    }

    /// Returns whether the stage has to stop, because its time limit is up or the run was cancelled. Nothing ends the thread
    /// of a stage, so a long stage has to call this from time to time; [`run`](Self::run) does so itself.
    pub fn cancelled(&self) -> bool {
        self.site.stop.reason().is_some()
    }

    /// Fails if the stage has to stop. Call `b.check()?` in long loops.
    ///
    /// # Errors
    /// The time limit is up, or the run was cancelled.
    pub fn check(&self) -> Result<()> {
        match self.site.stop.reason() {
            None => Ok(()),
            Some(reason) => Err(reason.error()),
        }
    }

    fn fields(&self) -> environment::Fields<'_> {
        environment::Fields {
            json: &self.json,
            omitted: &self.omitted,
            out: &self.source.out,
            chosen: &self.source.chosen,
        }
    }

    /// Makes a command for [`run`](Self::run), with the fields of this build as environment variables and an empty input.
    ///
    /// Each field of the config is a variable with the name of the field (its key, with `rename`), as in Pylightnix:
    ///
    /// | field | variable |
    /// |---|---|
    /// | a promise | the path to write the artifact to |
    /// | a dependency | the folder of its artifacts, or the path of the artifact that a `RefPath` names; several paths are one per line, and those of a map are `key=path` |
    /// | a string, a number, a `bool` | the value |
    /// | another value | JSON on one line; an empty list of dependencies is `[]` |
    /// | `None` | not set |
    ///
    /// A field has no variable if its key is not a valid name, for example with `=`. Linux refuses variables of 128 KiB or
    /// more: for such a field, remove the variable (`Command::env_remove`) and let the program read
    /// [`field_file`](Self::field_file) or [`fields_file`](Self::fields_file). More variables are
    ///
    /// | variable | |
    /// |---|---|
    /// | `PYLIGHTNIX_OUT` | the folder that is published, [`path`](Self::path) |
    /// | `PYLIGHTNIX_SCRATCH` | the folder for temporary files, [`scratch`](Self::scratch) |
    /// | `PYLIGHTNIX_DREF` | the derivation |
    /// | `PYLIGHTNIX_INDEX`, `PYLIGHTNIX_SEED`, `PYLIGHTNIX_THREADS` | [`index`](Self::index), [`seed`](Self::seed), [`threads`](Self::threads) |
    /// | `CUDA_VISIBLE_DEVICES` | the [units](Self::units) of the resource `gpu`, if the stage needs it and has no field of this name |
    ///
    /// The program inherits all other variables of this process.
    ///
    /// The stage counts as having read all artifacts of its dependencies; with `#[stage(reads = artifacts)]`, of a `RefPath` only the
    /// artifact.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let fields = self.fields().variables();
        // A config that this library wrote always parses.
        for (key, value) in fields.unwrap_or_default() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        // After an error the folder is missing; a call of `scratch()` reports the error.
        let _ = self.scratch();
        command
            .env("PYLIGHTNIX_OUT", self.path())
            .env("PYLIGHTNIX_SCRATCH", &self.site.scratch)
            .env("PYLIGHTNIX_DREF", self.dref().to_string())
            .env("PYLIGHTNIX_INDEX", self.index.to_string())
            .env("PYLIGHTNIX_SEED", self.seed().to_string())
            .env("PYLIGHTNIX_THREADS", self.threads().to_string())
            .stdin(Stdio::null());
        self.show_units_to(&mut command);
        command
    }

    /// Writes all fields of the config, of any size, to a JSON file in the [scratch folder](Self::scratch), and returns its
    /// path. Promises and dependencies are paths, a dependency with several chosen realizations is a list of paths, and
    /// other fields have their values from the config.
    ///
    /// # Errors
    /// The file cannot be written, or a path is not UTF-8.
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
    /// # let store = Store::open(folder.path().join("store"))?;
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

    /// Writes the text of the [variable](Self::command) of one field, of any size, and a line break to a file in the
    /// [scratch folder](Self::scratch), and returns its path. A list of dependencies has one path per line. `key` is the key
    /// of the field in the config.
    ///
    /// # Errors
    /// The config has no such field, or the file cannot be written.
    pub fn field_file(&self, key: &str) -> Result<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let text = self.fields().variable(key)?;
        let text = text.ok_or_else(|| {
            let message = format!("stage `{}` has no field `{key}`", self.dref().name());
            Error::new(ErrorKind::Stage, message)
                .with_help("name a field by its key in the config: its name, or what `rename` says")
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

    /// Runs a command and waits for its end. Its output goes to the [log](Self::log) immediately.
    ///
    /// For a stage that needs the resource `gpu`, it sees only the GPUs that are the stage's own, in the variable
    /// `CUDA_VISIBLE_DEVICES`, unless the command sets or removes that itself. GPUs without names count those that this process
    /// sees in that variable.
    ///
    /// The command has its own process group, which is killed when the command ends, and also when this process ends first,
    /// even by a crash. When the stage has to stop, the group gets `SIGTERM`, and later `SIGKILL`.
    ///
    /// # Errors
    /// The program cannot be started, ends with a status other than 0 or by a signal (the error has the last lines of its
    /// output), or the stage has to stop, as for [`check`](Self::check).
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
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let greeting = store.realize(&instantiate(Greeting::new("world".to_owned()))?)?;
    /// assert_eq!(greeting.out.load()?, "hello world\n");
    /// # Ok(()) }
    /// ```
    pub fn run(&self, command: &mut Command) -> Result<()> {
        self.show_units_to(command);
        process::run(command, &self.log, &self.site.stop)
    }

    fn show_units_to(&self, command: &mut Command) {
        if let Some(units) = &self.site.units {
            units.show_to(command);
        }
    }

    /// Returns the run-time argument of type `T`, which the stage declares with `#[stage(args(T))]` and the run gives with
    /// [`Realize::arg`](crate::realize::Realize::arg).
    pub fn arg<T: RunArg>(&self) -> &T
    where
        C: TakesArg<T>,
    {
        match self.args.get() {
            Some(arg) => arg,
            None => {
                unreachable!("a run begins only with the arguments that its stages declare")
            }
        }
    }
}

/// The maximal length of the name of a series, in bytes.
const LONGEST_NAME: usize = 1000;

/// Returns the file name for a key: the key itself if it is a valid file name, else a hash.
fn file_name_of(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match (1..=100).contains(&key.len()) && key.chars().all(is_plain) {
        true => key.to_owned(),
        // A plain key has no dot, so the names cannot collide.
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
