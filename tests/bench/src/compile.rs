//! What the macros cost: `cargo check` of many configs with their stages, beside the same structs with serde's derives.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::Result;

use crate::measure::{median, time};
use crate::options::Options;

/// How many structs, and how many fields each has.
const STRUCTS: usize = 200;
const FIELDS: usize = 10;
/// How often each is measured.
const ROUNDS: usize = 7;

/// Measures both and says the ratio.
pub(crate) fn run(_: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = package(folder.path(), "ours", &configs())?;
    let serde = package(
        folder.path(),
        "serdes",
        &plain("#[derive(serde::Serialize, serde::Deserialize)]\n"),
    )?;
    let bare = package(folder.path(), "bare", &plain(""))?;
    let (mut of_ours, mut of_serde, mut of_bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = (check(&ours)?, check(&serde)?, check(&bare)?);
        // The first round checks the dependencies too.
        if round > 0 {
            of_ours.push(times.0);
            of_serde.push(times.1);
            of_bare.push(times.2);
        }
    }
    let (ours, serde, bare) = (median(of_ours), median(of_serde), median(of_bare));
    println!("cargo check of {STRUCTS} structs of {FIELDS} fields\n");
    println!("| what | median | to serde's derives |\n|---|---|---|");
    for (what, time) in [
        ("configs with stages", ours),
        ("serde's two derives", serde),
        ("plain structs", bare),
    ] {
        let ratio = time.as_secs_f64() / serde.as_secs_f64();
        println!(
            "| {what} | {:.0} ms | {ratio:.2} |",
            time.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Structs with two promises, a dependency and plain fields, and a stage for each.
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

/// The same structs with plain fields, and a function for each.
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

/// A package with this code.
fn package(folder: &Path, name: &str, code: &str) -> Result<PathBuf> {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../pylightnix")
        .canonicalize()?;
    let package = folder.join(name);
    fs::create_dir_all(package.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         pylightnix = {{ path = {runtime:?} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest)?;
    fs::copy(runtime.join("../Cargo.lock"), package.join("Cargo.lock"))?;
    fs::write(package.join("src/lib.rs"), code)?;
    Ok(package)
}

/// Checks the package alone: its dependencies are checked already, and it was touched.
fn check(package: &Path) -> Result<Duration> {
    let source = package.join("src/lib.rs");
    fs::write(&source, fs::read_to_string(&source)? + "\n")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    time(
        Command::new(cargo)
            .args(["check", "--quiet"])
            .env("CARGO_TARGET_DIR", package.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .current_dir(package),
    )
}
