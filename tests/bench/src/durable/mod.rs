//! Publishing with durability `full` and `none`, beside a bare program that makes the same files with the same fsyncs.
//!
//! Both are processes of this program; each says how long its work took, without its start and without reading what it is
//! to write. Who comes first alternates, and what is dirty is written out before each.

mod bare;
mod ours;
mod shape;

pub(crate) use shape::write;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::Result;
use pylightnix::store::Durability;

use crate::measure::median;
use crate::options::Options;
use crate::table::Table;
use shape::{SHAPES, Shape};

/// How often each is measured.
const ROUNDS: usize = 9;
/// The two that are measured.
const WHO: [&str; 2] = ["ours", "bare"];

/// One of the two programs: `ours` or `bare`, a shape, `full` or `none`, a folder, and for `bare` a store to imitate.
/// Prints how many seconds it took.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [who, shape, durability, root, rest @ ..] = args else {
        return Err("too few arguments".into());
    };
    let shape = Shape::named(shape)?;
    let durability = match *durability {
        "full" => Durability::Full,
        _ => Durability::None,
    };
    let root = Path::new(root);
    let time = match (*who, rest) {
        ("ours", []) => ours::publish(shape, durability, root)?,
        ("bare", [template]) => bare::publish(shape, durability, root, template.as_ref())?,
        _ => return Err("neither ours nor bare".into()),
    };
    println!("{}", time.as_secs_f64());
    Ok(())
}

/// Measures all shapes.
pub(crate) fn run(options: &Options, _: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    println!("publishing, beside a bare program\n");
    println!("| what | durability | ours | bare | ratio | fsyncs, ours | fsyncs, bare |");
    println!("|---|---|---|---|---|---|---|");
    let mut calls = String::new();
    for shape in SHAPES.iter().filter(|shape| options.wants(shape.name)) {
        let template = folder.path().join(format!("{}-template", shape.name));
        let at = |durability| Case {
            shape,
            durability,
            folder: folder.path(),
            template: &template,
        };
        at("none").time("ours", &template)?;
        for durability in ["full", "none"] {
            let case = at(durability);
            let (ours, bare) = case.measure(options)?;
            let counts = case.count("ours")?;
            let fsyncs = [&counts, &case.count("bare")?].map(|table| match table {
                Some(table) => calls_of(table, "fsync").to_string(),
                None => "?".to_owned(),
            });
            println!(
                "| {} | {durability} | {:.1} ms | {:.1} ms | {:.2} | {} | {} |",
                shape.what,
                ours * 1e3,
                bare * 1e3,
                ours / bare,
                fsyncs[0],
                fsyncs[1]
            );
            if let (1_000, "full", Some(counts)) = (shape.stages, durability, counts) {
                calls.push_str(&format!("\nsystem calls of {}\n\n{counts}", shape.what));
            }
        }
    }
    println!("{calls}");
    make_removable(folder.path())
}

/// What is measured in a line of the table.
struct Case<'a> {
    shape: &'a Shape,
    durability: &'a str,
    folder: &'a Path,
    /// The store that the bare program imitates.
    template: &'a Path,
}

impl Case<'_> {
    /// The medians of ours and of the bare program, in seconds.
    fn measure(&self, options: &Options) -> Result<(f64, f64)> {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..options.rounds(ROUNDS) {
            for turn in 0..2 {
                let at = (round + turn) % 2;
                let who = WHO[at];
                let root = self.root(&format!("{round}-{who}"));
                rustix::fs::sync();
                times[at].push(self.time(who, &root)?);
                self.tidy(&root)?;
            }
        }
        let what = format!("{} {}", self.shape.name, self.durability);
        for (who, times) in WHO.iter().zip(&times) {
            options.record("durable", &what, who, times)?;
        }
        let [ours, bare] = times.map(|times| median(times).as_secs_f64());
        Ok((ours, bare))
    }

    fn root(&self, name: &str) -> PathBuf {
        let name = format!("{}-{}-{name}", self.shape.name, self.durability);
        self.folder.join(name)
    }

    /// Stores stay until the end; those that are large and have few files do not fit, and are removed.
    fn tidy(&self, root: &Path) -> Result<()> {
        if self.shape.bytes > 1 << 20 {
            make_removable(root)?;
            fs::remove_dir_all(root)?;
        }
        Ok(())
    }

    /// How long one of them takes, as it says itself.
    fn time(&self, who: &str, root: &Path) -> Result<Duration> {
        let mut program = Command::new(std::env::current_exe()?);
        let said = self.run(&mut program, who, root)?;
        Ok(Duration::from_secs_f64(said.trim().parse()?))
    }

    /// Its system calls, as `strace -c` counts them; nothing where that may not be had.
    fn count(&self, who: &str) -> Result<Option<String>> {
        let root = self.root(&format!("counted-{who}"));
        let table = root.with_extension("calls");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-c", "-o"]).arg(&table);
        strace.arg(std::env::current_exe()?);
        if self.run(&mut strace, who, &root).is_err() {
            return Ok(None);
        }
        self.tidy(&root)?;
        Ok(Some(fs::read_to_string(table)?))
    }

    /// Runs the command as one of them; gives what it says.
    fn run(&self, command: &mut Command, who: &str, root: &Path) -> Result<String> {
        command.args(["child", "durable", who, self.shape.name, self.durability]);
        command.arg(root);
        if who == "bare" {
            command.arg(self.template);
        }
        let output = command.output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command:?} failed:\n{said}").into())
    }
}

/// Makes what is read-only in a folder removable; for root it is.
pub(crate) fn make_removable(folder: &Path) -> Result<()> {
    Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(folder)
        .status()?;
    Ok(())
}

/// How many calls of this name a table of `strace -c` has.
fn calls_of(table: &str, name: &str) -> u64 {
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.last() == Some(&name))
        .filter_map(|words| words.get(3)?.parse::<u64>().ok())
        .sum()
}
