//! The compile time of the macros: `cargo check` of many configs with stages, compared with the same structs with serde's
//! derives; and what following costs a large package.

mod large;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::Result;

use crate::contest::contest;
use crate::measure::time;
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of structs.
const STRUCTS: usize = 200;
const FIELDS: usize = 10;

/// Runs the parts: `derives` and `large`.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    if options.wants("derives") {
        derives(options, table)?;
    }
    if options.wants("large") {
        large::run(options, table)?;
    }
    Ok(())
}

/// Measures both, and prints the ratio.
fn derives(options: &Options, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let make = |name, code: String| package(folder.path(), name, &code, &[SERDE]);
    let ours = make("ours", configs())?;
    let derives = "#[derive(serde::Serialize, serde::Deserialize)]\n";
    let serde = make("serdes", plain(derives))?;
    let bare = make("bare", plain(""))?;
    // The first round includes the dependencies.
    let medians = contest(
        options,
        "compile",
        "200 structs of 10 fields",
        &mut [
            ("ours", &mut |_| check(&ours)),
            ("serde", &mut |_| check(&serde)),
            ("bare", &mut |_| check(&bare)),
        ],
    )?;
    let work = format!("`cargo check` of {STRUCTS} configs of {FIELDS} fields with their stages");
    let serde = ("the same structs with serde's two derives", medians[1]);
    table.add(Row::ratio(&work, medians[0], serde, 1.0));
    let figure = format!("{:.2} s", medians[2]);
    table.add(Row::fact("`cargo check` of the same structs alone", figure));
    Ok(())
}

/// Returns structs with two promises, a dependency and plain fields, and a stage for each.
fn configs() -> String {
    let mut code = "#![allow(dead_code)]\nuse pylightnix::prelude::*;\n".to_owned();
    for at in 0..STRUCTS {
        let mut fields = "#[selfref(\"a.txt\")] pub a: SelfRef<Text>,\n#[selfref(\"b.json\")] pub b: SelfRef<Json<u64>>,\n".to_owned();
        if at > 0 {
            let _ = writeln!(fields, "#[dref] pub dep: DRef<C{}>,", at - 1);
        } else {
            fields.push_str("pub dep: u64,\n");
        }
        for field in 3..FIELDS {
            let _ = writeln!(fields, "pub f{field}: {},", TYPES[field % TYPES.len()]);
        }
        let _ = writeln!(
            code,
            "#[derive(Config)]\npub struct C{at} {{\n{fields}}}\n#[stage]\nfn c{at}(b: &Build<C{at}>) -> Result<C{at}Outputs> {{\n\
             Ok(C{at}Outputs {{ a: b.a.save(\"x\")?, b: b.b.save(&1)? }})\n}}"
        );
    }
    code
}

/// Returns the same structs with plain fields, and a function for each.
fn plain(derive: &str) -> String {
    let mut code = "#![allow(dead_code)]\n".to_owned();
    for at in 0..STRUCTS {
        let mut fields = String::new();
        for field in 0..FIELDS {
            let _ = writeln!(fields, "pub f{field}: {},", TYPES[field % TYPES.len()]);
        }
        let _ = writeln!(
            code,
            "{derive}pub struct C{at} {{\n{fields}}}\npub fn c{at}(b: &C{at}) -> u64 {{ b.f0 }}"
        );
    }
    code
}

const TYPES: &[&str] = &["u64", "f64", "String", "bool", "Vec<f64>"];

const SERDE: &str = "serde = { version = \"1\", features = [\"derive\"] }";

/// Creates a package with this code, which depends on the library and on `others`.
pub(crate) fn package(folder: &Path, name: &str, code: &str, others: &[&str]) -> Result<PathBuf> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../pylightnix")
        .canonicalize()?;
    let package = folder.join(name);
    fs::create_dir_all(package.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         pylightnix = {{ path = {runtime:?} }}\n{}\n",
        others.join("\n")
    );
    fs::write(package.join("Cargo.toml"), manifest)?;
    fs::copy(runtime.join("../Cargo.lock"), package.join("Cargo.lock"))?;
    fs::write(package.join("src/lib.rs"), code)?;
    Ok(package)
}

/// Measures the check of the package alone: its dependencies are checked already, and its source is touched.
fn check(package: &Path) -> Result<Duration> {
    let source = package.join("src/lib.rs");
    fs::write(&source, fs::read_to_string(&source)? + "\n")?;
    time(cargo(package).args(["check", "--quiet"]))
}

/// Returns the Cargo command for a package, with a separate target folder.
pub(crate) fn cargo(package: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(package);
    command
}
