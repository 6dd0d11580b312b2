//! What following costs the compiler: `cargo check` of a large package with many stages, which are followed or not.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use pylightnix::prelude::Result;

use super::{SERDE, check, package};
use crate::contest::contest;
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of modules, each of which has a stage.
const MODULES: usize = 100;
/// The number of functions of a module, of which its stage reaches half.
const FUNCTIONS: usize = 44;
/// The most seconds that following may add.
const BAR: f64 = 0.3;

/// Measures the package with following and without.
pub(super) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = package(folder.path(), "large", &root(), &[SERDE])?;
    let src = package.join("src");
    let lines = write(&src, "")?;
    let what = format!("{lines} lines with {MODULES} stages");
    let written = |option: &str| -> Result<Duration> {
        write(&src, option)?;
        check(&package)
    };
    let medians = contest(
        options,
        "compile",
        &what,
        &mut [
            ("followed", &mut |_| written("#[stage]")),
            ("alone", &mut |_| written("#[stage(follow = false)]")),
        ],
    )?;
    let more = (medians[0] - medians[1]).max(0.);
    let work = format!("what following adds to `cargo check` of {what}");
    let alone = ("all of it without following", medians[1]);
    table.add(Row::cost(&work, more, BAR).beside(more, alone));
    Ok(())
}

/// Returns the root of the package.
fn root() -> String {
    let mut code = "#![allow(dead_code, clippy::all)]\npub mod common;\n".to_owned();
    for at in 0..MODULES {
        let _ = writeln!(code, "pub mod part{at};");
    }
    code
}

/// Writes the modules, and returns the number of their lines.
fn write(src: &Path, option: &str) -> Result<usize> {
    let mut lines = 0;
    let mut file = |name: String, code: String| {
        lines += code.lines().count();
        fs::write(src.join(name), code)
    };
    file("common.rs".to_owned(), common())?;
    for at in 0..MODULES {
        file(format!("part{at}.rs"), part(at, option))?;
    }
    Ok(lines)
}

/// Returns what all modules use: a trait, a type with operators, a macro.
fn common() -> String {
    "/// A point.\n#[derive(Clone, Copy, Debug, PartialEq)]\npub struct Point {\n    pub x: f64,\n    pub y: f64,\n}\n\n\
     impl std::ops::Add for Point {\n    type Output = Point;\n\n    fn add(self, other: Point) -> Point {\n        \
     Point { x: self.x + other.x, y: self.y + other.y }\n    }\n}\n\n\
     pub trait Shape {\n    fn area(&self) -> f64;\n\n    fn twice(&self) -> f64 {\n        2.0 * self.area()\n    }\n}\n\n\
     #[macro_export]\nmacro_rules! clamped {\n    ($value:expr) => {\n        $value.clamp(-1e9, 1e9)\n    };\n}\n"
        .to_owned()
}

/// Returns a module: a stage, and chains of functions, half of which it reaches.
fn part(at: usize, option: &str) -> String {
    let mut code = format!(
        "//! Part {at}.\n\nuse crate::common::{{Point, Shape}};\nuse pylightnix::prelude::*;\n\n/// A config.\n\
         #[derive(Config)]\npub struct Part{at} {{\n    #[selfref(\"out.json\")]\n    pub out: SelfRef<Json<f64>>,\n    \
         pub count: u32,\n}}\n\n{option}\nfn part{at}(b: &Build<Part{at}>) -> Result<Part{at}Outputs> {{\n    \
         let disc = Disc {{ radius: f64::from(b.count) }};\n    let sum = step_0(disc.area()) + disc.twice();\n    \
         Ok(Part{at}Outputs {{ out: b.out.save(&crate::clamped!(sum))? }})\n}}\n\n/// A disc.\npub struct Disc {{\n    \
         pub radius: f64,\n}}\n\nimpl Shape for Disc {{\n    fn area(&self) -> f64 {{\n        \
         std::f64::consts::PI * self.radius * self.radius\n    }}\n}}\n\n"
    );
    for function in 0..FUNCTIONS {
        let begins_unused = function == FUNCTIONS / 2 - 1;
        let next = match begins_unused || function + 1 == FUNCTIONS {
            true => "x".to_owned(),
            false => format!("step_{}(x)", function + 1),
        };
        let _ = writeln!(
            code,
            "/// Step {function} of this part.\npub fn step_{function}(x: f64) -> f64 {{\n    let here = Point {{ x, y: {function}.5 }};\n    \
             let there = here + Point {{ x: 1.0, y: x }};\n    if there.x > {function}.0 {{\n        \
             return crate::clamped!(there.y);\n    }}\n    let moved = [here.x, there.x].iter().sum::<f64>();\n    \
             moved.max({next})\n}}\n"
        );
    }
    code
}
