//! Realizing a realized plan: a process that makes the plan, finds nothing to build and exits, compared with `ninja` and
//! `make` on the same graph and with Pylightnix on the same chain; and again in a running process.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use crate::contest::contest;
use crate::measure::{child as child_of, exponent, said, time};
use crate::options::Options;
use crate::peers::python;
use crate::plans::{SHAPES, parents, plan};
use crate::table::{Row, Table};

/// The sizes of the plans, in stages.
const SIZES: &[usize] = &[1_000, 10_000, 100_000];
/// The size at which the programs are compared.
pub(crate) const COMPARED: usize = 10_000;

/// Makes a plan, realizes it, and exits; with `again` it repeats that and prints the seconds, and with `memory` it prints
/// the peak memory in KiB.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [shape, count, root, rest @ ..] = args else {
        return Err("a shape, a count and a store".into());
    };
    let store = Store::open(root)?.with_durability(Durability::None);
    let target = plan(shape, count.parse()?)?;
    black_box(store.realize(&target)?);
    match rest {
        ["again"] => {
            let mut times = Vec::new();
            for _ in 0..7 {
                let begun = Instant::now();
                black_box(store.realize(&target)?);
                times.push(begun.elapsed());
            }
            println!("{}", crate::measure::median(times).as_secs_f64());
        }
        ["memory"] => {
            let status = fs::read_to_string("/proc/self/status")?;
            let line = status.lines().find(|line| line.starts_with("VmHWM"));
            let words = line.and_then(|line| line.split_whitespace().nth(1));
            println!("{}", words.unwrap_or("0"));
        }
        _ => {}
    }
    Ok(())
}

/// Measures all shapes and sizes.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    for shape in SHAPES.iter().filter(|shape| options.wants(shape)) {
        let mut grown = Vec::new();
        for &size in SIZES {
            let case = Case::make(folder.path(), shape, size)?;
            let work = format!("nothing to do, {shape} of {size} stages: a process");
            grown.push((
                size,
                case.measure(options, table, &work)?,
                said(case.ours()?.arg("memory"))?,
            ));
            if size == COMPARED {
                let again = said(case.ours()?.arg("again"))? / size as f64;
                let work =
                    format!("the same, a second time in a running process, {shape}: a stage");
                table.add(Row::cost(&work, again, 2e-6));
            }
        }
        let [first, .., last] = grown.as_slice() else {
            continue;
        };
        let growth = exponent((first.0, first.1), (last.0, last.1));
        let work = format!("nothing to do, {shape}, 1,000 to 100,000 stages: time");
        table.add(Row::growth(&work, growth, 1.05));
        let growth = exponent((first.0, first.2), (last.0, last.2));
        let work = format!("nothing to do, {shape}, 1,000 to 100,000 stages: memory");
        table.add(Row::growth(&work, growth, 1.05));
    }
    if options.wants("pylightnix") {
        beside_python(options, folder.path(), table)?;
    }
    Ok(())
}

/// A realized plan, and the same graph for the other programs.
pub(crate) struct Case {
    shape: String,
    size: usize,
    root: PathBuf,
    /// The folder with `build.ninja`, `Makefile` and all files, up to date.
    graph: PathBuf,
}

impl Case {
    /// Makes a case that is not realized.
    pub(crate) fn new(folder: &Path, shape: &str, size: usize) -> Self {
        Case {
            shape: shape.to_owned(),
            size,
            root: folder.join(format!("{shape}-{size}")),
            graph: folder.join(format!("{shape}-{size}-graph")),
        }
    }

    fn make(folder: &Path, shape: &str, size: usize) -> Result<Self> {
        let case = Case::new(folder, shape, size);
        time(&mut case.ours()?)?;
        if size <= COMPARED {
            case.build_by_ninja()?;
        }
        Ok(case)
    }

    /// Writes the graph, and builds it by `ninja`, which needs its log.
    pub(crate) fn build_by_ninja(&self) -> Result<()> {
        write_graph(&self.graph, &self.shape, self.size)?;
        time(&mut self.ninja())?;
        Ok(())
    }

    pub(crate) fn ours(&self) -> Result<Command> {
        let mut command = child_of("noop")?;
        command
            .arg(&self.shape)
            .arg(self.size.to_string())
            .arg(&self.root);
        Ok(command)
    }

    pub(crate) fn ninja(&self) -> Command {
        let mut command = Command::new("ninja");
        command.arg("--quiet").arg("-C").arg(&self.graph);
        command
    }

    fn make_program(&self) -> Command {
        let mut command = Command::new("make");
        command.args(["-s", "-C"]).arg(&self.graph).arg("all");
        command
    }

    /// Adds a row, and returns our time in seconds.
    fn measure(&self, options: &Options, table: &mut Table, work: &str) -> Result<f64> {
        let what = format!("{} {}", self.shape, self.size);
        let ours = &mut |_| time(&mut self.ours()?);
        if self.size > COMPARED {
            let medians = contest(options, "noop", &what, &mut [("ours", ours)])?;
            let figure = crate::table::time(medians[0]);
            table.add(Row::fact(work, figure));
            return Ok(medians[0]);
        }
        let medians = contest(
            options,
            "noop",
            &what,
            &mut [
                ("ours", ours),
                ("ninja", &mut |_| time(&mut self.ninja())),
                ("make", &mut |_| time(&mut self.make_program())),
            ],
        )?;
        let ninja = Row::ratio(work, medians[0], ("ninja", medians[1]), 1.0);
        if self.size < COMPARED {
            table.add(ninja.only_told());
            return Ok(medians[0]);
        }
        table.add(ninja);
        let make = Row::ratio(work, medians[0], ("make", medians[2]), 1.0);
        table.add(make.only_told());
        Ok(medians[0])
    }
}

/// Writes the same graph for `ninja` and for `make`, with one file per stage.
fn write_graph(folder: &Path, shape: &str, size: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut ninja = BufWriter::new(File::create(folder.join("build.ninja"))?);
    let mut make = BufWriter::new(File::create(folder.join("Makefile"))?);
    writeln!(ninja, "rule number\n  command = echo $out > $out")?;
    writeln!(make, ".SUFFIXES:\nMAKEFLAGS += -r\n")?;
    let mut all = vec![String::new(); 1];
    for (at, parents) in parents(shape, size)?.into_iter().enumerate() {
        let parents: Vec<_> = parents.iter().map(|at| format!("f{at}")).collect();
        let parents = parents.join(" ");
        writeln!(ninja, "build f{at}: number {parents}")?;
        writeln!(make, "f{at}: {parents}\n\techo $@ > $@")?;
        all.push(format!("f{at}"));
    }
    writeln!(make, "all:{}", all.join(" "))?;
    Ok(())
}

/// Compares a chain of 1,000 with Pylightnix, which is measured once because it takes about half a minute.
fn beside_python(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    let case = Case::make(folder, "chain", 1_001)?;
    let root = folder.join("pylightnix");
    let theirs = said(python("chain.py")?.arg("1000").arg(&root))?;
    options.record(
        "noop",
        "chain 1000",
        "pylightnix",
        &[Duration::from_secs_f64(theirs)],
    )?;
    let ours = &mut |_| time(&mut case.ours()?);
    let ours = contest(options, "noop", "chain 1001", &mut [("ours", ours)])?[0];
    let work = "nothing to do, chain of 1,000 stages: a process";
    table.add(Row::ratio(work, ours, ("Pylightnix 0.3.0", theirs), 0.001));
    Ok(())
}
