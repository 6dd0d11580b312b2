//! 100,000 realizations: listing them beside `find`, finding some of them, and collecting half of them beside `chmod -R`
//! and `rm -rf` of the same folders.

pub(crate) mod fill;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::prelude::Result;
use pylightnix::store::Store;

use crate::contest::contest;
use crate::measure::{child as child_of, first_line, median, time};
use crate::options::Options;
use crate::table::{Row, Table};
use fill::{DAY, Half, REALIZATIONS, Shape, fill};

/// How they are arranged: a name is that of a tenth.
const SHAPES: &[Shape] = &[
    Shape {
        name: "100,000 stages of one",
        each: 1,
        names: 10,
    },
    Shape {
        name: "1,000 stages of 100",
        each: 100,
        names: 10,
    },
];

/// What a search asks for: its name, and what the table says of it.
const SEARCHES: &[(&str, &str)] = &[
    ("name", "by name, a tenth"),
    ("field", "by a field, one stage"),
    ("newer", "by age, half"),
    ("metric", "by a number in an artifact, a hundredth"),
];

/// How often half of them are collected: they are made again each time.
const COLLECTIONS: usize = 7;

/// Fills a store, lists it, searches it or collects half of it.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    match args {
        ["fill", root, shape, half, round] => {
            let shape = SHAPES.iter().find(|known| known.name == *shape);
            let half = match *half {
                "goes" => Half::Goes,
                _ => Half::Stays,
            };
            let shape = *shape.ok_or("no such shape")?;
            fill(Path::new(root), shape, half, round.parse()?)
        }
        ["list", root] => list(&Store::open(root)?),
        ["find", root, what] => find(&Store::open(root)?, what),
        ["gc", root] => {
            let day = Duration::from_secs(DAY);
            let report = Store::open(root)?.gc().keep_newer_than(day).run()?;
            match report.refused.as_slice() {
                [] if report.realizations.len() == REALIZATIONS / 2 => Ok(()),
                _ => Err(format!("{report}").into()),
            }
        }
        _ => Err(format!("{args:?}: fill, list, find or gc").into()),
    }
}

/// Prints each derivation with its realizations.
fn list(store: &Store) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut last = None;
    for found in store.find().run()? {
        let found = found?;
        let dref = found.id().dref();
        if last.as_ref() != Some(dref) {
            writeln!(out, "{dref}")?;
            last = Some(dref.clone());
        }
        writeln!(out, "{found}")?;
    }
    Ok(out.flush()?)
}

fn find(store: &Store, what: &str) -> Result<()> {
    let find = store.find();
    let find = match what {
        "name" => find.name("stage_3"),
        "field" => find.field("number", 777),
        "newer" => find.newer_than(Duration::from_secs(DAY)),
        "older" => find.older_than(Duration::from_secs(DAY)),
        "metric" => find.name("stage_3").metric("score.json", "score", ..10.0),
        _ => return Err(format!("no search by {what}").into()),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for found in find.run()? {
        writeln!(out, "{}", found?)?;
    }
    Ok(out.flush()?)
}

/// Measures all of it.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    for shape in SHAPES.iter().filter(|shape| options.wants(shape.name)) {
        let (folder, place) = options.folder_in_memory()?;
        let case = Case {
            shape: *shape,
            root: folder.path().join("store"),
            place,
        };
        case.fill("stays", 0)?;
        case.fill("goes", 0)?;
        case.list(options, table)?;
        case.find(options, table)?;
        case.collect(options, table)?;
    }
    Ok(())
}

struct Case {
    shape: Shape,
    root: PathBuf,
    /// What rows say of where it is.
    place: &'static str,
}

impl Case {
    fn fill(&self, half: &str, round: usize) -> Result<()> {
        let mut fill = self.ours(&["fill", self.shape.name, half])?;
        time(fill.arg(round.to_string())).map(drop)
    }

    fn ours(&self, words: &[&str]) -> Result<Command> {
        let mut command = child_of("many")?;
        command.arg(words[0]).arg(&self.root).args(&words[1..]);
        Ok(command)
    }

    fn list(&self, options: &Options, table: &mut Table) -> Result<()> {
        let objects = self.root.join("store-v1");
        let find = || {
            let mut find = Command::new("find");
            find.arg(&objects).args(["-maxdepth", "2"]);
            find
        };
        let medians = contest(
            options,
            "list",
            self.shape.name,
            &mut [
                ("ours", &mut |_| time(&mut self.ours(&["list"])?)),
                ("find", &mut |_| time(&mut find())),
            ],
        )?;
        let work = format!(
            "list 100,000 realizations, {}{}",
            self.shape.name, self.place
        );
        let theirs = ("find -maxdepth 2", medians[1]);
        table.add(Row::ratio(&work, medians[0], theirs, 1.5));
        let firsts = (0..options.rounds(9)).map(|_| first_line(&mut self.ours(&["list"])?));
        let first = median(firsts.collect::<Result<_>>()?).as_secs_f64();
        table.add(Row::cost("the same, until the first line", first, 0.1));
        Ok(())
    }

    fn find(&self, options: &Options, table: &mut Table) -> Result<()> {
        for (what, words) in SEARCHES {
            let ours = &mut |_| time(&mut self.ours(&["find", what])?);
            let kind = format!("{what}, {}", self.shape.name);
            let medians = contest(options, "find", &kind, &mut [("ours", ours)])?;
            let Shape { name, .. } = self.shape;
            let work = format!("find among 100,000, {name}{}, {words}", self.place);
            table.add(Row::fact(&work, crate::table::time(medians[0])));
        }
        Ok(())
    }

    /// By turns in the same store, which is filled up again each time.
    fn collect(&self, options: &Options, table: &mut Table) -> Result<()> {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..2 * options.rounds(COLLECTIONS) {
            if round > 0 {
                self.fill("goes", round)?;
            }
            times[round % 2].push(match round % 2 {
                0 => time(&mut self.ours(&["gc"])?)?,
                _ => self.remove()?,
            });
        }
        for (who, times) in ["ours", "chmod and rm"].into_iter().zip(&times) {
            options.record("gc", self.shape.name, who, times)?;
        }
        let [ours, theirs] = times.map(|times| median(times).as_secs_f64());
        let work = format!("collect half of 100,000, {}{}", self.shape.name, self.place);
        let theirs = ("chmod -R and rm -rf", theirs);
        table.add(Row::ratio(&work, ours, theirs, 1.2));
        Ok(())
    }

    /// Removes by other programs what a collection would.
    fn remove(&self) -> Result<Duration> {
        let list = self.root.with_extension("old");
        let mut old = Vec::new();
        let found = self.ours(&["find", "older"])?.output()?.stdout;
        let objects = self.root.join("store-v1");
        let mut last = "";
        for line in std::str::from_utf8(&found)?.lines() {
            let (_, derivation) = line.split_at("rref:".len() + 33);
            if last != derivation {
                last = derivation;
                let path = objects.join(derivation);
                old.extend_from_slice(path.as_os_str().as_encoded_bytes());
                old.push(0);
            }
        }
        fs::write(&list, old)?;
        let mut time = Duration::ZERO;
        for program in [&["chmod", "-R", "u+w"][..], &["rm", "-rf"]] {
            let begun = Instant::now();
            let mut xargs = Command::new("xargs");
            xargs.args(["-0", "-s", "2000000"]).args(program);
            if !xargs.stdin(fs::File::open(&list)?).status()?.success() {
                return Err(format!("{program:?} failed").into());
            }
            time += begun.elapsed();
        }
        Ok(time)
    }
}
