//! Cut-off by what was read: random graphs of stages with random reads, and random edits of their code.
//!
//! A cell is a stage with two artifacts, whose values follow from what it reads of the cells below it. Values are few, so an edit
//! often changes nothing above. After each edit the results are those that a pure evaluation gives; after the last one they are,
//! reference by reference, those of a store that is made from nothing. No cell runs if in one of its earlier contexts it read the
//! same.

use fastrand::Rng;
use pylightnix::BoxError;
use pylightnix::prelude::*;
use pylightnix::realize::Realize;
use pylightnix::store::Durability;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Options;
use crate::figures::Figures;

/// The number of different values of an artifact.
const VALUES: u64 = 3;
/// The largest number of edits; the library looks at 16 earlier contexts.
const EDITS: usize = 12;

/// A cell.
#[derive(Config)]
pub struct Cell {
    #[selfref("a")]
    a: SelfRef<Text>,
    #[selfref("b")]
    b: SelfRef<Text>,
    id: usize,
    #[dref]
    below: Vec<DRef<Cell>>,
}

/// Never runs: each cell has a realizer of its own.
#[stage]
fn cell(b: &Build<Cell>) -> Result<CellOutputs> {
    Ok(CellOutputs {
        a: b.a.save("")?,
        b: b.b.save("")?,
    })
}

/// The code of a cell: two constants, and what it reads in turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Code {
    a: u64,
    b: u64,
    reads: Vec<Reading>,
}

/// A statement of the code of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reading {
    /// The way down: indices into the cells below.
    way: Vec<usize>,
    what: What,
    /// Only if the sum of what was read so far is even.
    only_if_even: bool,
}

/// What is read of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    A,
    B,
    /// The folder, and both artifacts in it.
    Folder,
    Reference,
}

/// What a run read: the cell, and what of it, with the value.
type Trace = Vec<(usize, What, u64)>;

/// A run of a cell: with which code, and what it read.
struct Ran {
    id: usize,
    code: Code,
    trace: Trace,
}

/// The results of a cell: the values of its artifacts, and that of its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values {
    a: u64,
    b: u64,
    reference: u64,
}

impl Values {
    fn of(&self, what: What) -> u64 {
        match what {
            What::A => self.a,
            What::B => self.b,
            What::Folder => self.a * VALUES + self.b,
            What::Reference => self.reference,
        }
    }
}

/// A graph of cells; each depends on cells with lower indices.
struct Graph {
    below: Vec<Vec<usize>>,
    codes: Vec<Code>,
}

/// Runs the campaign.
///
/// # Errors
/// Fails if a store cannot be made.
pub fn run(options: &Options) -> Result<Figures> {
    let mut figures = Figures::default();
    for round in 0..options.count.unwrap_or(10_000) as u64 {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(round);
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        let folder = folder?;
        figures.rounds += 1;
        if let Err(why) = round_of(seed, folder.path(), &mut figures) {
            figures.violations.push(format!("graph {seed}: {why}"));
        }
    }
    Ok(figures)
}

/// Makes a graph, edits it several times, and checks each run.
fn round_of(seed: u64, folder: &Path, figures: &mut Figures) -> Result<(), BoxError> {
    let mut rng = Rng::with_seed(seed);
    let mut graph = Graph::any(&mut rng);
    let store = Store::open(folder.join("store"))?.with_durability(Durability::None);
    // For each cell and code, what each run read.
    let mut earlier: BTreeMap<usize, Vec<(Code, Trace)>> = BTreeMap::new();
    let edits = rng.usize(2..=EDITS);
    for edit in 0..=edits {
        if edit > 0 {
            graph.edit(&mut rng);
        }
        let (found, ran, carried) = graph.realize(&store)?;
        *figures.counts.entry("carried".to_owned()).or_default() += carried;
        let expected = graph.evaluate(&found);
        for (id, (found, expected)) in found.iter().zip(&expected).enumerate() {
            if (found.a, found.b) != *expected {
                return Err(
                    format!("edit {edit}: cell {id} is {found:?}, not {expected:?}").into(),
                );
            }
        }
        for Ran { id, code, trace } in ran {
            figures.count("runs");
            let before = earlier.entry(id).or_default();
            let is_same = |trace: &Trace| {
                let mut reads = trace.iter();
                reads.all(|(of, what, value)| found[*of].of(*what) == *value)
            };
            if before
                .iter()
                .any(|(with, trace)| *with == code && is_same(trace))
            {
                return Err(
                    format!("edit {edit}: cell {id} ran, and had read the same before").into(),
                );
            }
            before.push((code, trace));
        }
    }
    let anew = Store::open(folder.join("anew"))?.with_durability(Durability::None);
    let (old, ..) = graph.realize(&store)?;
    let (new, ran, _) = graph.realize(&anew)?;
    figures.count("graphs made from nothing");
    match old == new && ran.len() == graph.codes.len() {
        true => Ok(()),
        false => Err(format!("{old:?} are not the results of a new store, {new:?}").into()),
    }
}

impl Graph {
    fn any(rng: &mut Rng) -> Self {
        let count = rng.usize(2..=9);
        let mut below: Vec<Vec<usize>> = Vec::new();
        for id in 0..count {
            let most = id.min(3);
            let mut all: Vec<usize> = (0..id).collect();
            rng.shuffle(&mut all);
            all.truncate(rng.usize(most.min(1)..=most));
            below.push(all);
        }
        let mut graph = Graph {
            below,
            codes: Vec::new(),
        };
        graph.codes = (0..count).map(|id| graph.any_code(id, rng)).collect();
        graph
    }

    fn any_code(&self, id: usize, rng: &mut Rng) -> Code {
        let mut reads = Vec::new();
        for _ in 0..rng.usize(0..=4) {
            let (mut at, mut way) = (id, Vec::new());
            while !self.below[at].is_empty() && (way.is_empty() || rng.u8(0..3) == 0) {
                let step = rng.usize(0..self.below[at].len());
                at = self.below[at][step];
                way.push(step);
            }
            if way.is_empty() {
                break;
            }
            let what = match rng.u8(0..20) {
                0..=8 => What::A,
                9..=15 => What::B,
                16..=18 => What::Folder,
                _ => What::Reference,
            };
            let only_if_even = rng.u8(0..3) == 0;
            reads.push(Reading {
                way,
                what,
                only_if_even,
            });
        }
        Code {
            a: rng.u64(0..VALUES),
            b: rng.u64(0..VALUES),
            reads,
        }
    }

    /// Changes the code of a cell; often back to what it was, or only a constant.
    fn edit(&mut self, rng: &mut Rng) {
        let id = rng.usize(0..self.codes.len());
        match rng.u8(0..3) {
            0 => self.codes[id].a = rng.u64(0..VALUES),
            1 => self.codes[id].b = rng.u64(0..VALUES),
            _ => self.codes[id] = self.any_code(id, rng),
        }
    }

    /// Realizes all cells. Returns their results, the runs that were made, and how many cells were carried.
    fn realize(&self, store: &Store) -> Result<(Vec<Values>, Vec<Ran>, usize)> {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut cells: Vec<DRef<Cell>> = Vec::new();
        for (id, code) in self.codes.iter().enumerate() {
            let below = self.below[id].iter().map(|at| cells[*at].clone());
            let config = Cell::new(id, below.collect());
            let (code, ran) = (code.clone(), ran.clone());
            let label = format!("{code:?}");
            let cell = instantiate(config)?;
            cells.push(cell.with_realizer(&label, move |b| code.run(b, &ran)));
        }
        let (realized, report) = Realize::new(store).jobs(2).run_reporting(&cells)?;
        let values = realized.iter().map(|cell| {
            let value = |text: String| text.parse().unwrap_or(u64::MAX);
            Ok(Values {
                a: value(cell.a.load()?),
                b: value(cell.b.load()?),
                reference: of_reference(cell),
            })
        });
        let values = values.collect::<Result<_>>()?;
        let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((values, std::mem::take(&mut ran), report.carried))
    }

    /// Returns the values that the artifacts have to have. What is read of a reference is taken from `found`.
    fn evaluate(&self, found: &[Values]) -> Vec<(u64, u64)> {
        let mut all: Vec<Values> = Vec::new();
        for (id, code) in self.codes.iter().enumerate() {
            let mut read = |reading: &Reading| {
                let down = |at: usize, step: &usize| self.below[at][*step];
                let at = reading.way.iter().fold(id, down);
                let value = all[at].of(reading.what);
                Ok::<_, BoxError>((at, value))
            };
            let Ok((a, b, _)) = code.values(&mut read) else {
                unreachable!("nothing fails here")
            };
            let reference = found[id].reference;
            all.push(Values { a, b, reference });
        }
        all.iter().map(|values| (values.a, values.b)).collect()
    }
}

/// Returns a number that a cell can read from the reference of another.
fn of_reference(cell: &RRef<Cell>) -> u64 {
    // 60 bits, so that a sum of several does not overflow.
    let hash: u64 = cell.id().hash()[..8]
        .iter()
        .fold(0, |all, byte| (all << 8) | u64::from(*byte));
    hash >> 4
}

/// Reads of a cell: which it is, and the number.
type Read<'a> = dyn FnMut(&Reading) -> Result<(usize, u64), BoxError> + 'a;

impl Code {
    /// Returns the values of both artifacts, and what was read for them.
    fn values(&self, read: &mut Read<'_>) -> Result<(u64, u64, Trace), BoxError> {
        let (mut sum, mut trace) = (0, Trace::new());
        for reading in &self.reads {
            if reading.only_if_even && sum % 2 != 0 {
                continue;
            }
            let (id, value) = read(reading)?;
            sum += value;
            trace.push((id, reading.what, value));
        }
        Ok(((self.a + sum) % VALUES, (self.b + sum / 2) % VALUES, trace))
    }

    /// The realizer of a cell.
    fn run(&self, b: &Build<Cell>, ran: &Mutex<Vec<Ran>>) -> Result<(), BoxError> {
        let mut read = |reading: &Reading| {
            let (first, rest) = reading.way.split_first().ok_or("a way has a step")?;
            let mut at = &b.below[*first];
            for step in rest {
                at = &at.below[*step];
            }
            let number = |text: &str| text.parse::<u64>().map_err(BoxError::from);
            let value = match reading.what {
                What::A => number(&at.a.load()?)?,
                What::B => number(&at.b.load()?)?,
                What::Folder => {
                    let file = |name| std::fs::read_to_string(at.path().join(name));
                    number(&file("a")?)? * VALUES + number(&file("b")?)?
                }
                What::Reference => of_reference(at),
            };
            Ok((at.id, value))
        };
        let (a, b_value, trace) = self.values(&mut read)?;
        let _ = (b.a.save(&a.to_string())?, b.b.save(&b_value.to_string())?);
        ran.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Ran {
                id: b.id,
                code: self.clone(),
                trace,
            });
        Ok(())
    }
}
