//! A realized plan in which one leaf is changed, realized by another process: compared with a run that builds nothing, and
//! with the cost of the stages that run.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::plans::Node;
use crate::table::{Row, Table};

/// The number of stages: leaves, and in one of the shapes a sink that depends on all of them.
const STAGES: u64 = 10_000;
const SHAPES: &[(&str, &str)] = &[
    ("leaves", "10,000 independent stages"),
    ("wide", "9,999 stages and a sink of all"),
];

/// Realizes a plan whose first leaf has this generation. With `alone`, prints the seconds that this leaf, and the sink if
/// there is one, take if everything else exists.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [shape, generation, root, rest @ ..] = args else {
        return Err("a shape, a generation and a store".into());
    };
    let generation: u64 = generation.parse()?;
    let has_sink = *shape == "wide";
    let store = Store::open(root)?.with_durability(Durability::None);
    match rest {
        [] => {
            black_box(store.realize(&plan(has_sink, generation, 0)?)?);
        }
        _ => {
            let alone = leaf(generation * STAGES)?;
            let mut seconds = timed(&store, &alone)?;
            if has_sink {
                // Another sink of the old leaves, which exist already.
                let (old, new) = (plan(true, 0, 0)?, plan(true, 0, generation)?);
                store.realize(&old)?;
                let nothing = timed(&store, &old)?;
                seconds += (timed(&store, &new)? - nothing).max(0.0);
            }
            println!("{seconds}");
        }
    }
    Ok(())
}

fn leaf(number: u64) -> Result<DRef<Node>> {
    Ok(instantiate(Node::new(vec![], number))?)
}

/// Returns a plan whose first leaf has this generation, and whose sink has this number.
fn plan(has_sink: bool, generation: u64, sink: u64) -> Result<Vec<DRef<Node>>> {
    let leaves = STAGES - u64::from(has_sink);
    let leaves: Vec<_> = (0..leaves)
        .map(|number| match number {
            0 => leaf(generation * STAGES),
            number => leaf(number),
        })
        .collect::<Result<_>>()?;
    match has_sink {
        true => Ok(vec![instantiate(Node::new(leaves, sink))?]),
        false => Ok(leaves),
    }
}

fn timed<T: pylightnix::plan::Target>(store: &Store, target: &T) -> Result<f64> {
    let begun = Instant::now();
    black_box(store.realize(target)?);
    Ok(begun.elapsed().as_secs_f64())
}

/// Measures all shapes.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    for (shape, what) in SHAPES.iter().filter(|(shape, _)| options.wants(shape)) {
        let root = folder.path().join(shape);
        time(&mut process(shape, 0, &root)?)?;
        // A folder that has just changed is not cached by the index.
        std::thread::sleep(Duration::from_millis(300));
        let medians = contest(
            options,
            "change",
            shape,
            &mut [
                ("ours", &mut |round| {
                    time(&mut process(shape, 2 * round as u64 + 1, &root)?)
                }),
                ("nothing", &mut |_| time(&mut process(shape, 0, &root)?)),
                ("alone", &mut |round| {
                    let mut alone = process(shape, 2 * round as u64 + 2, &root)?;
                    let output = alone.arg("alone").output()?;
                    let seconds = String::from_utf8(output.stdout)?.trim().parse()?;
                    Ok(Duration::from_secs_f64(seconds))
                }),
            ],
        )?;
        let work = format!("one leaf changed of {what}");
        let sum = ("nothing to do, and what runs", medians[1] + medians[2]);
        table.add(Row::ratio(&work, medians[0], sum, 1.2));
    }
    Ok(())
}

fn process(shape: &str, generation: u64, root: &Path) -> Result<Command> {
    let mut command = child_of("change")?;
    command.args([shape, &generation.to_string()]).arg(root);
    Ok(command)
}
