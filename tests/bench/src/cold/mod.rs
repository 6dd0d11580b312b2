//! A plan without results, with durability `full` and `none`, compared with a minimal program that writes the same files
//! with the same fsyncs, and with `joblib.Memory`.
//!
//! Ours and the minimal program are child processes; each reports the time of its work, without startup and without reading
//! its input. Dirty pages are written back before each measurement.

pub(crate) mod bare;
mod ours;
mod shape;

pub(crate) use shape::write;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::Result;
use pylightnix::store::Durability;

use crate::contest::{Contender, contest};
use crate::measure::{child as child_of, said_time};
use crate::options::Options;
use crate::peers::python;
use crate::table::{Row, Table};
use shape::{SHAPES, Shape};

/// The maximum time relative to the minimal program.
const BARS: [(&str, f64); 2] = [("full", 1.2), ("none", 2.0)];
/// The number of stages for which system calls are counted.
const COUNTED: u64 = 1_000;

/// Runs `ours` or `bare` with a shape, a number of stages, `full` or `none`, a folder, and for `bare` a store to imitate.
/// Prints the seconds that it took.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [who, shape, stages, durability, root, rest @ ..] = args else {
        return Err("too few arguments".into());
    };
    let shape = Shape::named(shape)?;
    let durability = match *durability {
        "full" => Durability::Full,
        _ => Durability::None,
    };
    let root = Path::new(root);
    let time = match (*who, rest) {
        ("ours", []) => ours::publish(shape, stages.parse()?, durability, root)?,
        ("bare", [template]) => bare::publish(shape, durability, root, template.as_ref())?,
        _ => return Err("neither ours nor bare".into()),
    };
    println!("{}", time.as_secs_f64());
    Ok(())
}

/// Measures all shapes.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    for shape in SHAPES.iter().filter(|shape| options.wants(shape.name)) {
        for &stages in shape.sizes {
            for (durability, bar) in BARS {
                let case = Case {
                    shape,
                    stages,
                    durability,
                    folder: folder.path(),
                };
                case.measure(options, table, bar)?;
            }
        }
    }
    make_removable(folder.path())
}

/// The measured work of a line of the table.
struct Case<'a> {
    shape: &'a Shape,
    stages: u64,
    durability: &'a str,
    folder: &'a Path,
}

impl Case<'_> {
    /// Adds the rows.
    fn measure(&self, options: &Options, table: &mut Table, bar: f64) -> Result<()> {
        let template = self.root("template");
        said_time(&mut self.ours(&template)?)?;
        let ours = &mut |round| self.time(&format!("{round}-ours"), |root| self.ours(root));
        let bare = &mut |round| {
            let bare = |root: &Path| self.bare(root, &template);
            self.time(&format!("{round}-bare"), bare)
        };
        let work = format!(
            "{} {}, durability `{}`",
            self.stages, self.shape.what, self.durability
        );
        let joblib = &mut |round| self.time(&format!("{round}-joblib"), |root| self.joblib(root));
        let mut contenders: Vec<Contender<'_>> = vec![("ours", ours), ("bare", bare)];
        // joblib does not sync, and makes one result after another.
        if (self.shape.name, self.durability) == ("chain", "none") {
            contenders.push(("joblib.Memory", joblib));
        }
        let medians = contest(options, "cold", &work, &mut contenders)?;
        for ((who, _), theirs) in contenders.iter().zip(&medians).skip(1) {
            let bar = if *who == "bare" { bar } else { 1.0 };
            let row = Row::ratio(&work, medians[0], (who, *theirs), bar);
            table.add(match self.stages {
                // For large files the difference is the cost of hashing, which the minimal program does not do.
                1 => row.only_told(),
                _ => row,
            });
        }
        if self.stages == COUNTED {
            let ours = self.calls(&self.ours(&self.root("counted-ours"))?)?;
            let bare = self.calls(&self.bare(&self.root("counted-bare"), &template)?)?;
            let figure = match (ours, bare) {
                (Some(ours), Some(bare)) => format!("{ours:.1}; bare: {bare:.1}"),
                _ => "?".to_owned(),
            };
            table.add(Row::fact(
                &format!("{work}: system calls of a stage"),
                figure,
            ));
        }
        Ok(())
    }

    fn root(&self, name: &str) -> PathBuf {
        let Case {
            shape,
            stages,
            durability,
            ..
        } = self;
        let name = format!("{}-{stages}-{durability}-{name}", shape.name);
        self.folder.join(name)
    }

    fn ours(&self, root: &Path) -> Result<Command> {
        let mut command = child_of("cold")?;
        command.args(["ours", self.shape.name, &self.stages.to_string()]);
        command.arg(self.durability).arg(root);
        Ok(command)
    }

    fn bare(&self, root: &Path, template: &Path) -> Result<Command> {
        let mut command = child_of("cold")?;
        command.args(["bare", self.shape.name, &self.stages.to_string()]);
        command.arg(self.durability).arg(root).arg(template);
        Ok(command)
    }

    fn joblib(&self, root: &Path) -> Result<Command> {
        let mut command = python("cold.py")?;
        command.arg(self.stages.to_string()).arg(root);
        Ok(command)
    }

    /// Measures the work in a new folder, as the process reports it.
    fn time(&self, name: &str, who: impl Fn(&Path) -> Result<Command>) -> Result<Duration> {
        let root = self.root(name);
        rustix::fs::sync();
        let time = said_time(&mut who(&root)?)?;
        // Stores stay until the end; large ones with few files are removed, because they would fill the disk.
        if self.shape.bytes > 1 << 20 {
            make_removable(&root)?;
            fs::remove_dir_all(&root)?;
        }
        Ok(time)
    }

    /// Returns the number of system calls of a stage.
    fn calls(&self, command: &Command) -> Result<Option<f64>> {
        let calls = system_calls(command, &self.root("calls"))?;
        Ok(calls.map(|calls| calls as f64 / self.stages as f64))
    }
}

/// Returns the number of system calls of a command, as `strace -c` counts them in the new file `to`, without those for waiting on
/// other threads; `None` if `strace` is not available.
pub(crate) fn system_calls(command: &Command, to: &Path) -> Result<Option<u64>> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(to);
    strace.arg(command.get_program()).args(command.get_args());
    if !strace.output().is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let counts = fs::read_to_string(to)?;
    let calls = counts
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !matches!(words.last(), Some(&"futex" | &"total")))
        .filter_map(|words| words.get(3)?.parse::<u64>().ok())
        .sum();
    Ok(Some(calls))
}

/// Makes a read-only folder removable; not necessary for root.
pub(crate) fn make_removable(folder: &Path) -> Result<()> {
    Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(folder)
        .status()?;
    Ok(())
}
