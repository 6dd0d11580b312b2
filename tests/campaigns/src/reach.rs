//! What a stage is said to reach, beside what really runs: each test of two public crates is taken for a stage and run under
//! `valgrind --tool=callgrind`. Each function of the crate that ran has to be among those that the test reaches.
//!
//! The crates are compiled without optimisation, so that a function runs under its own name. They are downloaded by Cargo the
//! first time, and compiled in the folder of this program.

use pylightnix::prelude::Result;
use pylightnix::serde_json::Value;
use pylightnix_reach::{Function, Sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::{Options, unable};

/// The crates, with their versions.
const CRATES: [(&str, &str); 2] = [("smartcore", "0.7.0"), ("bio", "4.0.1")];

/// The usual number of tests of each crate.
const USUAL: usize = 5;

/// How long a test may take; some do heavy work, fifty times slower here.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs tests of each crate; a count gives their number.
///
/// # Errors
/// Fails if `valgrind` is missing, or if a crate cannot be downloaded or compiled.
pub(crate) fn run(options: &Options) -> Result<Figures> {
    need_valgrind()?;
    let place = (options.program.ancestors().nth(2))
        .ok_or_else(|| unable("the program lies in no target folder"))?
        .join("campaign-reach");
    fs::create_dir_all(&place)?;
    let mut figures = Figures::default();
    for (name, version) in CRATES {
        let subject = Subject::compiled(&place, name, version)?;
        subject.run(options, &mut figures)?;
    }
    Ok(figures)
}

fn need_valgrind() -> Result<()> {
    let asked = Command::new("valgrind").arg("--version").output();
    match asked.is_ok_and(|output| output.status.success()) {
        true => Ok(()),
        false => Err(unable("`valgrind` is not installed")),
    }
}

/// A crate whose tests are run.
struct Subject {
    name: &'static str,
    folder: PathBuf,
    program: PathBuf,
    functions: Vec<Function>,
    sources: Sources,
}

impl Subject {
    /// Downloads and compiles a crate, unless that was done before.
    fn compiled(place: &Path, name: &'static str, version: &str) -> Result<Self> {
        let folder = place.join(format!("{name}-{version}"));
        if !folder.exists() {
            copy(&downloaded(place, name, version)?, &folder)?;
            // It is in no other workspace.
            let manifest = folder.join("Cargo.toml");
            fs::write(
                &manifest,
                fs::read_to_string(&manifest)? + "\n[workspace]\n",
            )?;
        }
        let output = cargo(&folder)
            .args(["test", "--lib", "--no-run", "--message-format=json"])
            .arg("--target-dir")
            .arg(place.join("target"))
            .env("CARGO_PROFILE_TEST_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_TEST_DEBUG", "line-tables-only")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .stderr(Stdio::inherit())
            .output()?;
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let program = messages
            .lines()
            .filter_map(|line| pylightnix::serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| Some(message["executable"].as_str()?.to_owned()))
            .next_back();
        let program = program.filter(|_| output.status.success());
        let program =
            program.ok_or_else(|| unable(format!("the tests of {name} do not compile")))?;
        let mut sources = Sources::around(&folder.join("Cargo.toml"), |_| None)
            .ok_or_else(|| unable(format!("{} has no sources", folder.display())))?;
        Ok(Subject {
            name,
            program: program.into(),
            functions: sources.functions(true),
            sources,
            folder,
        })
    }

    fn run(mut self, options: &Options, figures: &mut Figures) -> Result<()> {
        let mut tests = self.tests()?;
        fastrand::Rng::with_seed(options.seed).shuffle(&mut tests);
        let wanted = options.count.unwrap_or(USUAL);
        let mut count = 0;
        for (test, at) in tests {
            if count == wanted {
                break;
            }
            let Some(ran) = self.ran(&test)? else {
                figures.count(format!("{}: tests that took too long", self.name));
                continue;
            };
            count += 1;
            figures.rounds += 1;
            let reached = self.sources.reach(self.functions[at].stage, &[]);
            let reached: BTreeSet<&str> = reached.items.iter().map(|it| &*it.place).collect();
            let all = self.functions.iter();
            let all = all.filter(|it| reached.contains(&*it.place)).count();
            add(
                figures,
                format!("{}: functions that ran", self.name),
                ran.len(),
            );
            add(
                figures,
                format!("{}: functions that are reached", self.name),
                all,
            );
            for function in ran.iter().map(|at| &self.functions[*at]) {
                if !reached.contains(&*function.place) {
                    let (name, place) = (&function.name, &function.place);
                    let missed = format!("{}: {test} runs `{name}` ({place})", self.name);
                    figures.violations.push(missed);
                }
            }
        }
        Ok(())
    }

    /// Returns the names of the tests, with the numbers of their functions. Tests that macros make are left out.
    fn tests(&self) -> Result<Vec<(String, usize)>> {
        let output = Command::new(&self.program)
            .args(["--list", "--format=terse"])
            .output()?;
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: BTreeMap<&str, usize> = (self.functions.iter().enumerate())
            .map(|(at, function)| (&*function.path, at))
            .collect();
        let names = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        let tests = names.filter_map(|name| {
            let at = *numbers.get(&*format!("crate::{name}"))?;
            Some((name.to_owned(), at))
        });
        Ok(tests.collect())
    }

    /// Runs a test and returns the functions of the crate that ran; `None` if it took too long.
    fn ran(&self, test: &str) -> Result<Option<BTreeSet<usize>>> {
        let profile = self.folder.join("callgrind.out");
        let child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet"])
            .args(["--compress-strings=no", "--compress-pos=no"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&self.program)
            .args(["--exact", test, "--test-threads=1"])
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if !ends(child)? {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&fs::read(&profile)?).into_owned();
        fs::remove_file(&profile)?;
        let mut ran = BTreeSet::new();
        for (file, lines) in executed(&text) {
            // The compiler names some files from the folder on.
            let file = self.folder.join(file);
            let own = self.functions.iter().enumerate();
            let own: Vec<(usize, &Function)> = own.filter(|(_, it)| it.file == file).collect();
            for line in lines {
                let around = own
                    .iter()
                    .filter(|(_, it)| it.lines.0 <= line && line <= it.lines.1);
                // A function may be inside another one.
                let innermost = around.min_by_key(|(_, it)| it.lines.1 - it.lines.0);
                ran.extend(innermost.map(|(at, _)| *at));
            }
        }
        match ran.is_empty() {
            true => Err(unable(format!(
                "{}: {test} runs nothing of the crate",
                self.name
            ))),
            false => Ok(Some(ran)),
        }
    }
}

fn add(figures: &mut Figures, what: String, count: usize) {
    *figures.counts.entry(what).or_default() += count;
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder);
    cargo
}

/// Lets Cargo download a crate, and returns its folder.
fn downloaded(place: &Path, name: &str, version: &str) -> Result<PathBuf> {
    let folder = place.join("download");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"download\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{name} = \"={version}\"\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let output = cargo(&folder)
        .args(["metadata", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()?;
    let metadata: Value = pylightnix::serde_json::from_slice(&output.stdout)
        .map_err(|error| unable(format!("{name} cannot be downloaded: {error}")))?;
    let packages = metadata["packages"].as_array();
    let package = packages.into_iter().flatten().find(|it| it["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
    folder
        .map(Path::to_owned)
        .ok_or_else(|| unable(format!("Cargo downloads no {name}")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        match from.is_dir() {
            true => copy(&from, &to)?,
            false => fs::copy(&from, &to).map(drop)?,
        }
    }
    Ok(())
}

/// Waits for a process; returns `false` if it took too long, and was killed.
fn ends(mut child: Child) -> Result<bool> {
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

/// Returns the lines that were executed, by file, as [callgrind](https://valgrind.org/docs/manual/cl-format.html) lists them.
fn executed(profile: &str) -> BTreeMap<&str, BTreeSet<u32>> {
    let mut executed: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut file = "";
    for line in profile.lines() {
        if let Some((key, value)) = line.split_once('=') {
            // Code of another file may be inlined.
            if matches!(key, "fl" | "fi" | "fe") {
                file = value;
            }
        } else if let Some(number) = line.split(' ').next().and_then(|it| it.parse().ok()) {
            executed.entry(file).or_default().insert(number);
        }
    }
    executed
}
