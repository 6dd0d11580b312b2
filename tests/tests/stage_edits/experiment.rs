//! The experiment under git, its compiler, and its program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;

use super::edits::Change;

/// The files of each stage's result, by the name of the stage and their paths.
pub(crate) type Artifacts = BTreeMap<String, BTreeMap<PathBuf, Vec<u8>>>;

/// What a plan says of a stage.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) action: String,
    why: Option<String>,
}

impl Step {
    pub(crate) fn why(&self) -> &str {
        self.why.as_deref().unwrap_or_default()
    }
}

/// What a run did.
pub(crate) struct Run {
    pub(crate) ran: Vec<String>,
    pub(crate) carried: Vec<String>,
    pub(crate) artifacts: Artifacts,
}

pub(crate) struct Experiment {
    /// The working directory under git.
    folder: PathBuf,
    store: tempfile::TempDir,
}

/// The folder that compilations share, also those of later tests.
fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stage_edits")
}

/// Runs a command that has to succeed.
fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&from, &to),
            false => _ = fs::copy(&from, &to).unwrap(),
        }
    }
}

/// The files below a folder, by their paths in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

impl Experiment {
    /// The experiment as it is in this repository, under git in a folder of its own.
    pub(crate) fn new() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root().join("weather");
        let _ = fs::remove_dir_all(&folder);
        copy(&tests.join("edits/weather"), &folder);
        let repository = tests.parent().unwrap();
        fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let manifest = folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let library = format!("\"{}/pylightnix", repository.display());
        fs::write(&manifest, text.replace("\"../../../pylightnix", &library)).unwrap();
        let experiment = Experiment {
            folder,
            store: tempfile::tempdir().unwrap(),
        };
        experiment.git(&["init", "--quiet"]);
        experiment
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=ada", "-c", "user.email=ada@lab"]);
        done(git.args(arguments).current_dir(&self.folder));
    }

    pub(crate) fn commit(&self, title: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", title]);
    }

    /// Makes a change, unless it is one of the store.
    pub(crate) fn make(&self, change: &Change) {
        match change {
            Change::Lines {
                file,
                before,
                after,
            } => self.replace(file, before, after),
            Change::Move(from, to) => {
                let to = self.folder.join(to);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::rename(self.folder.join(from), to).unwrap();
            }
            Change::Undo => self.git(&["revert", "--no-commit", "HEAD"]),
            Change::Format(options) => {
                let mut cargo = Command::new("cargo");
                cargo.args([
                    "fmt",
                    "--package",
                    "weather",
                    "--package",
                    "stats",
                    "--",
                    "--config",
                ]);
                done(cargo.arg(options).current_dir(&self.folder));
            }
            Change::Accept(_) => {}
        }
    }

    fn replace(&self, file: &str, before: &str, after: &str) {
        let path = self.folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if before.is_empty() {
            assert!(!path.exists(), "{file} is there");
            return fs::write(path, after).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_there = text.matches(before).count();
        assert_eq!(is_there, 1, "{before:?} in {file}:\n{text}");
        fs::write(path, text.replace(before, after)).unwrap();
    }

    pub(crate) fn compile(&self) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(cargo);
        cargo.args(["build", "--quiet", "--offline", "--target-dir"]);
        done(cargo.arg(root().join("target")).current_dir(&self.folder));
    }

    /// Runs the program with a store.
    fn program(&self, store: &Path, arguments: &[&str]) -> Output {
        let mut program = Command::new(root().join("target/debug/weather"));
        program.args(arguments).env("PYLIGHTNIX_ROOT", store);
        done(program.current_dir(&self.folder))
    }

    pub(crate) fn plan(&self) -> Vec<Step> {
        let output = self.program(self.store.path(), &["plan", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Accepts what the changes of these items made stale, if there are any.
    pub(crate) fn accept(&self, items: &[&str]) {
        if !items.is_empty() {
            let named = items.iter().flat_map(|item| ["--changed", item]);
            let arguments: Vec<_> = ["accept"].into_iter().chain(named).collect();
            self.program(self.store.path(), &arguments);
        }
    }

    pub(crate) fn run(&self, stages: &[String]) -> Run {
        self.run_in(self.store.path(), stages)
    }

    /// The artifacts of a run in a store that has nothing.
    pub(crate) fn run_in_a_new_store(&self, stages: &[String]) -> Artifacts {
        let store = tempfile::tempdir().unwrap();
        self.run_in(store.path(), stages).artifacts
    }

    fn run_in(&self, store: &Path, stages: &[String]) -> Run {
        let mut arguments = vec!["run", "--json", "--progress", "json"];
        arguments.extend(stages.iter().map(String::as_str));
        let output = self.program(store, &arguments);
        let results: Value = serde_json::from_slice(&output.stdout).unwrap();
        let results = results["results"].as_array().unwrap();
        let artifacts = stages.iter().zip(results).map(|(stage, result)| {
            let folder = result["path"].as_str().unwrap();
            (stage.clone(), files(Path::new(folder)))
        });
        let events = String::from_utf8(output.stderr).unwrap();
        let events = events
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let events: Vec<Value> = events.collect();
        let of = |kind: &str| {
            let events = events.iter().filter(|event| event["event"] == kind);
            let names = events.map(|event| event["name"].as_str().unwrap().to_owned());
            let mut names: Vec<_> = names.collect();
            names.sort_by_key(|name| stages.iter().position(|stage| stage == name));
            names
        };
        Run {
            ran: of("started"),
            carried: of("carried"),
            artifacts: artifacts.collect(),
        }
    }
}
