//! Where the sources of a stage lie, and how a system ends their lines, does not count.

use std::fs;
use std::path::Path;

use super::{Experiment, NOTHING};

/// The files of the experiment, by their names in its folder.
pub(super) const FILES: [&str; 7] = [
    "Cargo.toml",
    "src/main.rs",
    "src/prep.rs",
    "src/prep/shape.rs",
    "src/prep/words.txt",
    "shared/Cargo.toml",
    "shared/src/lib.rs",
];

#[test]
fn another_folder_is_the_same_code() {
    let lab = Experiment::new();
    lab.asked("run");
    let other = tempfile::tempdir().unwrap();
    // At another depth, too.
    let other = other.path().join("some/where");
    for file in FILES.iter().chain(&["Cargo.lock"]) {
        let to = other.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(lab.folder.join(file), to).unwrap();
    }
    lab.built_in(&other, &[]).unwrap();
    assert_eq!(lab.printed("plan"), NOTHING);
    // It is that folder's code.
    let prep = other.join("src/prep.rs");
    let text = fs::read_to_string(&prep).unwrap();
    fs::write(prep, text.replace("x * SCALE", "x / SCALE")).unwrap();
    lab.built_in(&other, &[]).unwrap();
    let plan = lab.printed("plan");
    assert!(plan.contains("fn `scaled`"), "{plan}");
}

#[test]
fn the_line_ends_of_windows_are_the_same_code() {
    let lab = Experiment::new();
    lab.write("src/prep/words.txt", "a few\nwords\n");
    let text = "x * SCALE + \"two\n    lines\".len() as f64 + r\"raw\n\".len() as f64";
    lab.edit("src/prep.rs", "x * SCALE", text);
    lab.asked("run");
    for file in FILES {
        let text = fs::read_to_string(lab.folder.join(file)).unwrap();
        lab.write(file, &text.replace('\n', "\r\n"));
    }
    assert_eq!(lab.asked("plan"), NOTHING);
    lab.edit("src/prep.rs", "two\r\n", "2\r\n");
    let plan = lab.asked("plan");
    assert!(plan.contains("fn `scaled`"), "{plan}");
}

const KIT: &str = r#"
use pylightnix::prelude::*;

#[derive(Config)]
pub struct Measure {
    #[selfref("measure.json")]
    pub out: SelfRef<Json<f64>>,
    pub count: u32,
}

#[stage]
fn measure(b: &Build<Measure>) -> Result<MeasureOutputs> {
    Ok(MeasureOutputs { out: b.out.save(&gain(b.count))? })
}

fn gain(count: u32) -> f64 {
    f64::from(count) * 2.
}
"#;

/// The registry that the crate comes from.
const INDEX: &str = "https://kits.example/index";

/// Writes a crate as `cargo vendor` does.
fn vendor(lab: &Experiment, version: &str, code: &str) {
    let library = env!("CARGO_PKG_VERSION");
    let kit = format!(
        "[package]\nname = \"kit\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[dependencies]\n\
         pylightnix = {{ version = \"{library}\", registry-index = \"{INDEX}\" }}\n"
    );
    fs::create_dir_all(lab.folder.join("vendor/kit/src")).unwrap();
    lab.write("vendor/kit/Cargo.toml", &kit);
    let sums = r#"{"files":{},"package":null}"#;
    lab.write("vendor/kit/.cargo-checksum.json", sums);
    lab.write("vendor/kit/src/lib.rs", code);
    // As `cargo update kit` does, if there is another version.
    let lock = fs::read_to_string(lab.folder.join("Cargo.lock")).unwrap();
    if let Some((before, after)) = lock.split_once("name = \"kit\"\nversion = \"") {
        let (_, after) = after.split_once('"').unwrap();
        let lock = format!("{before}name = \"kit\"\nversion = \"{version}\"{after}");
        lab.write("Cargo.lock", &lock);
    }
}

/// The configuration of Cargo, which is there until it is dropped.
struct Vendored<'a>(&'a Path);

impl Drop for Vendored<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.join(".cargo"));
    }
}

#[test]
fn the_code_of_a_stage_in_a_vendored_crate_counts() {
    let lab = Experiment::new();
    let _vendored = Vendored(&lab.folder);
    fs::create_dir_all(lab.folder.join(".cargo")).unwrap();
    let sources = format!(
        "[registries.kits]\nindex = \"{INDEX}\"\n\n[source.kits]\nregistry = \"{INDEX}\"\n\
         replace-with = \"vendored\"\n\n[source.vendored]\ndirectory = \"vendor\"\n"
    );
    lab.write(".cargo/config.toml", &sources);
    let manifest = fs::read_to_string(lab.folder.join("Cargo.toml")).unwrap();
    let library = manifest
        .lines()
        .find(|line| line.starts_with("pylightnix = "));
    // The crate uses the library that the experiment uses.
    let patch = format!("{manifest}\n[patch.\"{INDEX}\"]\n{}\n", library.unwrap());
    lab.write("Cargo.toml", &patch);
    lab.edit(
        "Cargo.toml",
        "[dependencies]\n",
        "[dependencies]\nkit = { version = \"1\", registry = \"kits\" }\n",
    );
    lab.edit(
        "src/main.rs",
        "let plan = instantiate(Mean::new(sample.clone()))?;",
        "let plan = (instantiate(Mean::new(sample.clone()))?, instantiate(kit::Measure::new(2))?);",
    );
    vendor(&lab, "1.0.0", KIT);
    let run = lab.asked("run");
    assert!(run.starts_with("3 of 3 stages built"), "{run}");

    // Another version of the same code.
    let commented = KIT.replace("fn gain", "/// It gains.\n#[inline]\npub fn gain");
    vendor(&lab, "1.0.1", &commented);
    let nothing = NOTHING.replace('2', "3");
    assert_eq!(lab.asked("plan"), nothing);
    vendor(&lab, "1.0.2", &KIT.replace("* 2.", "* 3."));
    let plan = lab.asked("plan");
    assert!(
        plan.contains("measure") && plan.contains("fn `gain`"),
        "{plan}"
    );
}

#[test]
fn what_a_build_script_makes_counts() {
    let lab = Experiment::new();
    let script = r#"
fn main() {
    println!("cargo::rerun-if-changed=factor.txt");
    let made = std::env::var("OUT_DIR").unwrap() + "/made.rs";
    let factor = std::fs::read_to_string("factor.txt").unwrap();
    std::fs::write(made, format!("/* It is {factor} */ pub const FACTOR: f64 = {};", factor.trim())).unwrap();
}
"#;
    lab.write("build.rs", script);
    lab.write("factor.txt", "2.5");
    let include = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n\nfn scaled";
    lab.edit("src/prep.rs", "fn scaled", include);
    lab.edit("src/prep.rs", "x * SCALE", "x * SCALE * FACTOR");
    lab.asked("run");
    lab.write("factor.txt", "2.5\n");
    assert_eq!(lab.asked("plan"), NOTHING);
    lab.write("factor.txt", "3.5");
    let plan = lab.asked("plan");
    assert!(plan.contains("const `FACTOR`"), "{plan}");
}
