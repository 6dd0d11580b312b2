//! A realized plan, realized again: a process that makes the plan, finds nothing to do and ends.

use std::path::Path;
use std::process::Command;

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use crate::measure::{exponent, median, time};
use crate::options::Options;
use crate::plans::{SHAPES, plan};

/// The sizes of the plans, in stages.
const SIZES: &[usize] = &[1_000, 10_000, 100_000];
/// How often each is measured.
const ROUNDS: usize = 7;

/// Makes a plan, realizes it, and ends.
pub(crate) fn child(shape: &str, count: u64, root: &Path) -> Result<()> {
    let store = Store::open_at(root)?.with_durability(Durability::None);
    let target = plan(shape, count)?;
    let (_, report) = Realize::new(&store).run_reporting(&target)?;
    println!("{report}");
    Ok(())
}

/// Measures all shapes and sizes.
pub(crate) fn run(_: &Options) -> Result<()> {
    println!("nothing to do: a whole process\n");
    println!("| shape | stages | median | a stage | growth from 1,000 |");
    println!("|---|---|---|---|---|");
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    for shape in SHAPES {
        let mut first = None;
        for &size in SIZES {
            let root = folder.path().join(format!("{shape}-{size}"));
            let mut command = Command::new(&program);
            command
                .arg("child")
                .arg(shape)
                .arg(size.to_string())
                .arg(&root);
            time(&mut command)?;
            let times: Result<Vec<_>> = (0..ROUNDS).map(|_| time(&mut command)).collect();
            let median = median(times?);
            let first = *first.get_or_insert((size, median));
            let growth = if first.0 == size {
                "-".to_owned()
            } else {
                format!("{:.2}", exponent(first, (size, median)))
            };
            let each = median.as_secs_f64() * 1e6 / size as f64;
            println!(
                "| {shape} | {size} | {:.1} ms | {each:.1} us | {growth} |",
                median.as_secs_f64() * 1e3
            );
        }
    }
    Ok(())
}
