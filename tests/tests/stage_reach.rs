//! The code that a stage reaches counts: an experiment is edited, compiled and planned, as a person does it.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[path = "stage_reach/environment.rs"]
mod environment;
#[path = "stage_reach/places.rs"]
mod places;
#[path = "stage_reach/remote.rs"]
mod remote;

/// An experiment in a package of its own. There is one at a time, as all are compiled in one folder.
struct Experiment {
    folder: PathBuf,
    store: tempfile::TempDir,
    /// Where the program runs.
    here: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

const MANIFEST: &str = r#"
[package]
name = "lab"
version = "0.1.0"
edition = "2024"

[features]
fast = []

[dependencies]
pylightnix = { path = "PYLIGHTNIX" }
shared = { path = "shared" }
serde = { version = "1", features = ["derive"] }

[workspace]

[profile.dev]
debug = false
"#;

const MAIN: &str = r#"
mod prep;

use pylightnix::prelude::*;
use pylightnix::realize::{Counts, Event, Observer};
use pylightnix::store::remote::{Push, Remote};

/// Prints why results of a remote are not taken.
struct Said;

impl Observer for Said {
    fn event(&self, event: &Event<'_>) {
        if let Event::OtherCode { dref, why, .. } = event {
            println!("other code of {}: {why}", dref.name());
        }
    }
}

/// How a curve is sampled.
#[derive(Config)]
pub struct Sample {
    #[selfref("sample.json")]
    pub out: SelfRef<Json<Vec<f64>>>,
    pub count: u32,
    pub low: f64,
    pub high: f64,
}

#[stage]
fn sample(b: &Build<Sample>) -> Result<SampleOutputs> {
    let step = (b.high - b.low) / f64::from(b.count);
    let places = (0..b.count).map(|at| b.low + step * f64::from(at));
    Ok(SampleOutputs { out: b.out.save(&places.map(prep::height).collect())? })
}

#[derive(Config)]
pub struct Mean {
    #[selfref("mean.json")]
    pub out: SelfRef<Json<f64>>,
    #[dref]
    pub sample: DRef<Sample>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    let sample = b.sample.out.load()?;
    Ok(MeanOutputs { out: b.out.save(&shared::mean(&sample))? })
}

/// Prints the plan, and what changed of each stage; or runs it.
fn main() -> Result<()> {
    let store = Store::open(std::env::args().nth(2).unwrap_or_default())?;
    let sample = instantiate(Sample::new(5, 0., 1.))?;
    let plan = instantiate(Mean::new(sample.clone()))?;
    let words: Vec<String> = std::env::args().collect();
    if words[1] == "push" {
        store.realize(&plan)?;
        Push::new(&store, &Remote::open(&words[3])?).run_every()?;
        return Ok(());
    }
    if words[1] == "take" {
        let store = Store::open(&words[4])?;
        let run = Realize::new(&store).remote(&Remote::open(&words[3])?).observer(Said);
        println!("{}", run.run_reporting(&plan)?.1);
        return Ok(());
    }
    let mut run = Realize::new(&store);
    for what in std::env::args().skip(3) {
        run = run.counts([match what.as_str() {
            "rustc" => Counts::Rustc,
            "features" => Counts::Features,
            name => Counts::krate(name),
        }]);
    }
    if std::env::args().nth(1).as_deref() == Some("run") {
        println!("{}", run.run_reporting(&plan)?.1);
        return Ok(());
    }
    if std::env::args().nth(1).as_deref() == Some("accept") {
        println!("accepted {}", store.accept_all(&plan)?.len());
        return Ok(());
    }
    if std::env::args().nth(1).as_deref() == Some("why") {
        println!("{}", run.why(&plan, sample.id())?);
        return Ok(());
    }
    let notes = run.code_notes(&plan)?;
    if let Some(earlier) = notes.earlier {
        println!("of an earlier version: {}", earlier.stages);
    }
    for unseen in notes.unseen {
        println!("unseen: {}: {}", unseen.dref.name(), unseen.what);
    }
    for wide in notes.wide {
        println!("wide: {}: {wide}, {} of {}", wide.dref.name(), wide.reached, wide.all);
    }
    println!("{}", run.explain(&plan)?);
    Ok(())
}
"#;

const PREP: &str = r#"
//! Heights of the curve.

use crate::prep::shape::{Bump, Shape};

mod shape;

const SCALE: f64 = 0.5;

/// The height at a place.
pub fn height(x: f64) -> f64 {
    let bump = Bump { width: 3. };
    scaled(bump.at(x) + crate::offset!() + shared::noise(x))
}

fn scaled(x: f64) -> f64 {
    x * SCALE
}

#[macro_export]
macro_rules! offset {
    () => {
        0.25
    };
}

pub fn unused() -> f64 {
    9.
}
"#;

const SHAPE: &str = r#"
pub trait Shape {
    fn at(&self, x: f64) -> f64;
}

pub struct Bump {
    pub width: f64,
}

impl Shape for Bump {
    fn at(&self, x: f64) -> f64 {
        let words = include_str!("words.txt");
        if cfg!(feature = "fast") {
            return x;
        }
        x * self.width + words.len() as f64
    }
}
"#;

const SHARED: &str = r#"
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub fn noise(x: f64) -> f64 {
    x.sin() / 100.
}
"#;

impl Experiment {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stage_reach");
        let _ = fs::remove_dir_all(folder.join("src"));
        let _ = fs::remove_file(folder.join("build.rs"));
        fs::create_dir_all(folder.join("src/prep")).unwrap();
        fs::create_dir_all(folder.join("shared/src")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let library = root.join("pylightnix").canonicalize().unwrap();
        let experiment = Experiment {
            folder,
            store: tempfile::tempdir().unwrap(),
            here: tempfile::tempdir().unwrap(),
            _alone: alone,
        };
        fs::copy(
            root.join("Cargo.lock"),
            experiment.folder.join("Cargo.lock"),
        )
        .unwrap();
        let manifest = MANIFEST.replace("PYLIGHTNIX", library.to_str().unwrap());
        experiment.write("Cargo.toml", &manifest);
        experiment.write(
            "shared/Cargo.toml",
            "[package]\nname = \"shared\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
        );
        experiment.write("src/main.rs", MAIN);
        experiment.write("src/prep.rs", PREP);
        experiment.write("src/prep/shape.rs", SHAPE);
        experiment.write("src/prep/words.txt", "a few words");
        experiment.write("shared/src/lib.rs", SHARED);
        experiment
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, &text.replacen(from, to, 1));
    }

    fn tried(&self, command: &str, features: &[&str]) -> Result<String, String> {
        self.built_in(&self.folder, features)?;
        Ok(self.printed(command))
    }

    /// Compiles what is in a folder.
    fn built_in(&self, folder: &Path, features: &[&str]) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--offline", "--target-dir"])
            .arg(self.folder.join("target"))
            .arg("--features")
            .arg(features.join(","))
            .current_dir(folder)
            .output()
            .unwrap();
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).into_owned());
        }
        Ok(())
    }

    /// Asks the program that was compiled last.
    fn printed(&self, command: &str) -> String {
        let output = self.output(command);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asks the program that was compiled last for something that it refuses.
    fn refused(&self, command: &str) -> String {
        let output = self.output(command);
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs the program that was compiled last, with what is to count after the command.
    fn output(&self, command: &str) -> Output {
        let mut words = command.split(' ');
        Command::new(self.folder.join("target/debug/lab"))
            .args(words.next())
            .arg(self.store.path())
            .args(words)
            .current_dir(self.here.path())
            .output()
            .unwrap()
    }

    fn asked(&self, command: &str) -> String {
        self.tried(command, &[]).unwrap_or_else(|error| error)
    }
}

const NOTHING: &str = "nothing to build: 2 stages reused\n";

#[test]
fn what_a_stage_reaches_counts_and_nothing_else() {
    let lab = Experiment::new();
    lab.asked("run");
    assert_eq!(lab.asked("plan"), NOTHING);

    // A file, what is put in the place of what, and what the plan says of it.
    let edits = [
        (
            "src/prep.rs",
            "SCALE: f64 = 0.5",
            "SCALE: f64 = 0.75",
            "const `SCALE`",
        ),
        (
            "src/prep.rs",
            "        0.25",
            "        0.5",
            "macro `offset`",
        ),
        (
            "src/prep/shape.rs",
            "x * self.width",
            "x + self.width",
            "fn `Bump::at`",
        ),
        (
            "src/prep/shape.rs",
            "pub width: f64",
            "pub width: f64, pub depth: f64",
            "fn `height`",
        ),
        (
            "src/prep/words.txt",
            "a few",
            "few",
            "file `src/prep/words.txt`",
        ),
        ("shared/src/lib.rs", "/ 100.", "/ 50.", "fn `noise`"),
        (
            "shared/src/lib.rs",
            "values.len() as f64",
            "2.",
            "fn `mean`",
        ),
        (
            "src/main.rs",
            "pub count: u32",
            "pub count: u16",
            "field `Sample.count`",
        ),
    ];
    for (file, from, to, what) in edits {
        lab.edit(file, from, to);
        if to.contains("depth") {
            lab.edit("src/prep.rs", "width: 3.", "width: 3., depth: 1.");
        }
        let plan = lab.asked("plan");
        assert!(
            plan.contains("code changed") && plan.contains(what),
            "{to}:\n{plan}"
        );
        lab.asked("run");
    }

    let edits = [
        (
            "src/prep.rs",
            "fn scaled(x: f64)",
            "// A comment.\nfn scaled( x : f64 , )",
        ),
        (
            "src/prep.rs",
            "pub fn unused() -> f64 {\n    9.",
            "pub fn unused() -> f64 {\n    8.",
        ),
        (
            "src/prep.rs",
            "const SCALE",
            "/// It scales.\n#[allow(dead_code)]\npub(crate) const SCALE",
        ),
        (
            "shared/src/lib.rs",
            "pub fn noise",
            "pub fn other() {}\n\n#[inline]\npub fn noise",
        ),
        (
            "src/main.rs",
            "    pub low: f64",
            "    #[config(default = Odd::new(), omit_default)]\n    pub odd: Odd,\n    pub low: f64",
        ),
    ];
    lab.edit(
        "src/main.rs",
        "fn main()",
        "#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]\npub struct Odd(u8);\n\nimpl Odd {\n    fn \
         new() -> Self {\n        Odd(1)\n    }\n}\n\nfn main()",
    );
    for (file, from, to) in edits {
        lab.edit(file, from, to);
        assert_eq!(lab.asked("plan"), NOTHING, "{to}");
    }
    // An item moves to another file.
    lab.edit(
        "src/prep.rs",
        "fn scaled( x : f64 , ) -> f64 {\n    x * SCALE\n}\n",
        "",
    );
    lab.edit("src/prep.rs", "const SCALE: f64 = 0.75;", "");
    lab.edit(
        "src/prep.rs",
        "/// It scales.\n#[allow(dead_code)]\npub(crate) \n",
        "use shape::scaled;\n",
    );
    let shape = fs::read_to_string(lab.folder.join("src/prep/shape.rs")).unwrap();
    let moved = "\nconst SCALE: f64 = 0.75;\n\npub fn scaled(x: f64) -> f64 {\n    x * SCALE\n}\n";
    lab.write("src/prep/shape.rs", &(shape + moved));
    assert_eq!(lab.asked("plan"), NOTHING);

    // What is no text.
    let plan = lab.tried("plan", &["fast"]).unwrap();
    assert!(plan.contains("`cfg(feature = \"fast\")`"), "{plan}");

    lab.edit(
        "src/prep/shape.rs",
        "SCALE: f64 = 0.75",
        "SCALE: f64 = 0.25",
    );
    let why = lab.asked("why");
    let code: Vec<&str> = why
        .lines()
        .filter(|line| line.starts_with("  code: "))
        .collect();
    snapbox::assert_data_eq!(
        code.join("\n") + "\n",
        snapbox::file!["stage_reach/why.txt"].raw()
    );
    lab.edit(
        "src/prep/shape.rs",
        "SCALE: f64 = 0.25",
        "SCALE: f64 = 0.75",
    );

    // Where following stops.
    lab.edit(
        "src/main.rs",
        "#[stage]\nfn sample",
        "#[stage(untracked(prep::height))]\nfn sample",
    );
    lab.asked("run");
    lab.edit("src/prep/shape.rs", "SCALE: f64 = 0.75", "SCALE: f64 = 0.5");
    assert_eq!(lab.asked("plan"), NOTHING);
    lab.edit(
        "src/main.rs",
        "untracked(prep::height)",
        "untracked(prep::hight)",
    );
    let error = lab.asked("plan");
    assert!(error.contains("no `hight` in `prep`"), "{error}");
}

#[test]
fn of_items_with_one_name_the_one_that_changed_is_shown() {
    let lab = Experiment::new();
    let biases = "mod low {\n    pub fn bias() -> f64 {\n        1.\n    }\n}\nmod top {\n    pub fn bias() -> f64 {\n        2.\n    }\n}\n";
    let call = "x * SCALE + low::bias() + top::bias()";
    lab.write("src/prep.rs", &(PREP.replace("x * SCALE", call) + biases));
    lab.asked("run");
    lab.edit("src/prep.rs", "        2.\n", "        3.\n");
    let why = lab.asked("why");
    let text = fs::read_to_string(lab.folder.join("src/prep.rs")).unwrap();
    let at = text.lines().position(|line| line == "mod top {").unwrap() + 2;
    let told = format!("  code: fn `bias` (src/prep.rs:{at}) changed, reached by sample -> height");
    assert!(why.contains(&told), "{told}\n{why}");
}

#[test]
fn files_that_a_stage_names_count() {
    let lab = Experiment::new();
    fs::create_dir_all(lab.folder.join("data/old")).unwrap();
    let _ = fs::remove_file(lab.folder.join("data/b.csv"));
    lab.write("data/a.csv", "1,2\n");
    lab.write("data/old/c.csv", "0\n");
    // With and without the code that the stage names.
    for follow in ["", ", follow = false"] {
        let option = format!("#[stage(uses(\"data/*.csv\"){follow})]\nfn sample");
        lab.write("src/main.rs", &MAIN.replace("#[stage]\nfn sample", &option));
        lab.asked("run");
        assert_eq!(lab.asked("plan"), NOTHING);
        lab.write("data/old/c.csv", "1\n");
        assert_eq!(lab.asked("plan"), NOTHING);
        lab.write("data/a.csv", &format!("1,3{follow}\n"));
        let plan = lab.asked("plan");
        assert!(plan.contains("file `data/a.csv`"), "{plan}");
        lab.asked("run");

        // A new file: the program that is there says that it does not know it, the next one does.
        lab.write("data/b.csv", "4\n");
        let plan = lab.printed("plan");
        let note = "unseen: sample: not seen: files that match `data/*.csv` and came or went";
        assert!(plan.starts_with(note), "{plan}");
        lab.edit("src/main.rs", "fn main()", "// A comment.\nfn main()");
        let plan = lab.asked("plan");
        assert!(plan.contains("file `data/b.csv`"), "{plan}");
        fs::remove_file(lab.folder.join("data/b.csv")).unwrap();
    }
}

#[test]
fn results_of_earlier_versions_are_told_and_can_be_accepted() {
    let lab = Experiment::new();
    // Earlier versions compared the function alone.
    let main = MAIN.replace("#[stage]", "#[stage(follow = false)]");
    lab.write("src/main.rs", &main);
    lab.asked("run");
    lab.edit("src/prep.rs", "SCALE: f64 = 0.5", "SCALE: f64 = 0.75");
    assert_eq!(lab.asked("plan"), NOTHING);

    lab.write("src/main.rs", MAIN);
    let plan = lab.asked("plan");
    assert!(plan.starts_with("of an earlier version: 2\n"), "{plan}");
    assert!(
        plan.contains("made before the code that a stage calls counted"),
        "{plan}"
    );
    assert_eq!(lab.asked("accept"), "accepted 2\n");
    assert_eq!(lab.asked("plan"), NOTHING);
    // From now on it counts.
    lab.edit("src/prep.rs", "SCALE: f64 = 0.75", "SCALE: f64 = 0.25");
    let plan = lab.asked("plan");
    assert!(plan.contains("const `SCALE`"), "{plan}");
}

#[test]
fn a_stage_that_a_macro_makes_counts_itself_and_the_plan_says_so() {
    let lab = Experiment::new();
    let main = MAIN.replace(
        "#[stage]\nfn mean(b: &Build<Mean>) -> Result<MeanOutputs> {",
        "macro_rules! make { ($name:ident, $mean:expr) => {\n#[stage]\nfn $name(b: &Build<Mean>) -> Result<MeanOutputs> {",
    );
    let main = main.replace(
        "&shared::mean(&sample))? })\n}",
        "&$mean(&sample))? })\n} } }\nmake!(mean, shared::mean);",
    );
    lab.write("src/main.rs", &main);
    let plan = lab.asked("plan");
    assert!(
        plan.starts_with("unseen: mean: only its own text counts: it is not written in its file"),
        "{plan}"
    );
    lab.asked("run");
    assert!(lab.asked("plan").ends_with(NOTHING));
    lab.edit(
        "src/main.rs",
        "make!(mean, shared::mean)",
        "make!(mean, shared::largest)",
    );
    lab.edit(
        "shared/src/lib.rs",
        "pub fn noise",
        "pub fn largest(values: &[f64]) -> f64 {\n    values[0]\n}\n\npub fn noise",
    );
    assert!(lab.asked("plan").contains("code changed"));
}

#[test]
fn the_plan_says_which_stage_reaches_most_of_its_package_and_why() {
    let lab = Experiment::new();
    // Heights that only one function of the file leads to, and others that nothing reaches.
    let family = |name: &str, count: usize| -> String {
        let parts = (0..count).map(|at| format!("fn {name}_{at}() -> f64 {{ {at}. }}\n"));
        let calls = (0..count).map(|at| format!("{name}_{at}()"));
        let calls = calls.collect::<Vec<_>>().join(" + ");
        format!(
            "{}pub fn {name}() -> f64 {{ {calls} }}\n",
            parts.collect::<String>()
        )
    };
    let with = |reached: usize, unused: usize| {
        let text = PREP.replace("x * SCALE", "x * SCALE + through() + hill()")
            + "fn through() -> f64 { ridge() }\n"
            + &family("ridge", reached - 10)
            + &family("hill", 10)
            + &family("moor", unused);
        lab.write("src/prep.rs", &text);
        let plan = lab.asked("plan");
        let told = plan.lines().filter(|line| line.starts_with("wide: "));
        told.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(with(30, 5), [""; 0]);
    assert_eq!(with(60, 90), [""; 0]);
    let told = with(60, 5);
    assert_eq!(told.len(), 1, "{told:?}");
    let told = &told[0];
    // `through` does nothing but lead to `ridge`.
    let begin = "wide: sample: reaches 8";
    let because = " % of its package, because of `scaled` (src/prep.rs:";
    let then = "), `ridge` (src/prep.rs:";
    let last = ") and `hill` (src/prep.rs:";
    assert!(told.starts_with(begin), "{told}");
    for part in [because, then, last] {
        assert!(told.contains(part), "{part}: {told}");
    }
}
