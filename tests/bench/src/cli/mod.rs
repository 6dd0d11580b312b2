//! The program `pylightnix` on stores with 100,000 realizations, as whole processes, compared with `git` in a repository
//! with as many commits.

mod history;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::config::RRefId;
use pylightnix::prelude::{Result, Store};

use crate::contest::{Contender, contest};
use crate::many::fill::{Half, REALIZATIONS, Shape, fill};
use crate::measure::{child as child_of, first_line, said_text, time};
use crate::options::Options;
use crate::table::{Row, Table};
use history::History;

const SHAPES: &[Shape] = &[
    Shape {
        name: "100,000 stages of one",
        each: 1,
        names: 1_000,
    },
    Shape {
        name: "1,000 stages of 100",
        each: 100,
        names: 100,
    },
];

/// The limits of a command in seconds: until the first output, until all output, and for a single object.
const FIRST: f64 = 0.1;
const ALL: f64 = 2.0;
const ONE: f64 = 0.02;

/// Fills a store.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let ["fill", root, shape] = args else {
        return Err("fill, a store and a shape".into());
    };
    let shape = SHAPES.iter().find(|known| known.name == *shape);
    let shape = *shape.ok_or("no such shape")?;
    fill(Path::new(root), shape, Half::Stays, 0)?;
    fill(Path::new(root), shape, Half::Goes, 0)
}

/// Measures all of it.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let program = program()?;
    let folder = options.folder()?;
    let history = History::make(&folder.path().join("history"), REALIZATIONS)?;
    for shape in SHAPES.iter().filter(|shape| options.wants(shape.name)) {
        let root = folder.path().join(format!("store-{}", shape.each));
        let mut fill = child_of("cli")?;
        time(fill.arg("fill").arg(&root).arg(shape.name))?;
        let case = Case {
            shape: *shape,
            program: &program,
            root: &root,
            history: &history,
        };
        case.list(options, table)?;
        case.ask(options, table)?;
        case.complete(options, table)?;
    }
    Ok(())
}

/// Returns the program, rebuilt beside this one if it has changed.
fn program() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let built = here.ancestors().nth(2).unwrap_or(Path::new("."));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo.args(["build", "--release", "--locked", "-p", "pylightnix-cli"]);
    cargo.env("CARGO_TARGET_DIR", built).current_dir(workspace);
    time(&mut cargo)?;
    Ok(built.join("release/pylightnix"))
}

/// A store, and the measured commands.
struct Case<'a> {
    shape: Shape,
    program: &'a Path,
    root: &'a Path,
    history: &'a History,
}

impl Case<'_> {
    fn ours(&self, words: &[&str]) -> Command {
        let mut ours = Command::new(self.program);
        ours.args(words).env("PYLIGHTNIX_ROOT", self.root);
        ours
    }

    /// Measures our command and the equivalent command of git, if there is one, and adds the row.
    fn measure<'b>(
        &self,
        options: &Options,
        table: &mut Table,
        (what, bar): (&str, Option<f64>),
        ours: &'b mut dyn FnMut(usize) -> Result<Duration>,
        theirs: Option<Contender<'b>>,
    ) -> Result<()> {
        let mut contenders: Vec<Contender<'b>> = vec![("ours", ours)];
        contenders.extend(theirs);
        let kind = format!("{what}, {}", self.shape.name);
        let medians = contest(options, "cli", &kind, &mut contenders)?;
        let work = format!("`pylightnix {what}, {}", self.shape.name);
        let row = match bar {
            Some(bar) => Row::cost(&work, medians[0], bar),
            None => Row::fact(&work, crate::table::time(medians[0])),
        };
        table.add(match (contenders.get(1), medians.get(1)) {
            (Some((who, _)), Some(theirs)) => row.beside(medians[0], (who, *theirs)),
            _ => row,
        });
        Ok(())
    }

    fn list(&self, options: &Options, table: &mut Table) -> Result<()> {
        let list = || self.ours(&["list"]);
        let log = || self.history.git(&["log", "--oneline"]);
        // The first command after many changes reads everything.
        let first = time(&mut list())?.as_secs_f64();
        let work = format!("`pylightnix list` for the first time, {}", self.shape.name);
        table.add(Row::fact(&work, crate::table::time(first)));
        self.measure(
            options,
            table,
            ("list`", Some(ALL)),
            &mut |_| time(&mut list()),
            Some(("`git log --oneline`", &mut |_| time(&mut log()))),
        )?;
        self.measure(
            options,
            table,
            ("list` until its first line", Some(FIRST)),
            &mut |_| first_line(&mut list()),
            Some(("`git log --oneline`", &mut |_| first_line(&mut log()))),
        )
    }

    /// Measures commands about a single object.
    fn ask(&self, options: &Options, table: &mut Table) -> Result<()> {
        let rref = self.middle()?;
        let derivation = &rref.dref().folder()[..8];
        let name = rref.name().as_str();
        let middle = self.history.middle.as_str();
        let log = &["log", "-1", middle][..];
        let parse = &["rev-parse", middle][..];
        let asked: [(&str, &str, Option<&[&str]>); 5] = [
            ("show", derivation, Some(log)),
            ("path", derivation, Some(parse)),
            ("why", derivation, None),
            ("show", name, None),
            ("why", name, None),
        ];
        for (command, reference, theirs) in asked {
            let by = if reference == name {
                "name"
            } else {
                "reference"
            };
            let mut git = |_| time(&mut self.history.git(theirs.unwrap_or_default()));
            let who = theirs.map(|words| format!("`git {}`", words[..words.len() - 1].join(" ")));
            let theirs: Option<Contender<'_>> = match &who {
                Some(who) => Some((who, &mut git)),
                None => None,
            };
            let ours = &mut |_| time(&mut self.ours(&[command, reference]));
            let what = format!("{command}` by a {by}");
            self.measure(options, table, (&what, Some(ONE)), ours, theirs)?;
        }
        Ok(())
    }

    /// Measures the completions that a shell requests at the Tab key.
    fn complete(&self, options: &Options, table: &mut Table) -> Result<()> {
        let rref = self.middle()?;
        let begun = [
            ("a reference", &rref.dref().folder()[..3]),
            ("a name", "stage_1"),
            ("nothing", ""),
        ];
        for (what, begun) in begun {
            let complete = || {
                let mut complete = self.ours(&["--", "pylightnix", "show", begun]);
                complete
                    .env("COMPLETE", "bash")
                    .env("_CLAP_COMPLETE_INDEX", "2");
                complete
            };
            if said_text(&mut complete())?.is_empty() {
                return Err(format!("no completion of `{begun}`").into());
            }
            let what = format!("show`: completion of {what}");
            let ours = &mut |_| time(&mut complete());
            self.measure(options, table, (&what, Some(FIRST)), ours, None)?;
        }
        Ok(())
    }

    /// Returns a realization in the middle.
    fn middle(&self) -> Result<RRefId> {
        let store = Store::open_existing(self.root)?;
        let drefs = store.drefs()?;
        let dref = drefs.get(drefs.len() / 2).ok_or("nothing is there")?;
        let rrefs = store.rrefs_of(dref)?;
        Ok(rrefs.into_iter().next().ok_or("nothing is there")?)
    }
}
