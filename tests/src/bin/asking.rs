//! An experiment whose plan depends on data: as many parts as a file says.

use pylightnix::prelude::*;
use pylightnix::stages::Imported;
use std::process::ExitCode;

/// The number of parts.
#[derive(Config)]
pub struct Count {
    #[selfref("count.json")]
    count: SelfRef<Json<u64>>,
    #[dref]
    file: DRef<Imported>,
}

#[stage]
fn count(b: &Build<Count>) -> Result<CountOutputs> {
    let text = std::fs::read_to_string(b.file.out.path())?;
    Ok(CountOutputs {
        count: b.count.save(&text.trim().parse()?)?,
    })
}

/// A part.
#[derive(Config)]
pub struct Part {
    #[selfref("part.txt")]
    text: SelfRef<Text>,
    number: u64,
    #[dref]
    count: DRef<Count>,
}

#[stage]
fn part(b: &Build<Part>) -> Result<PartOutputs> {
    let text = format!("{} of {}", b.number, b.count.count.load()?);
    Ok(PartOutputs {
        text: b.text.save(&text)?,
    })
}

fn parts(run: &Run<'_>) -> Result<Vec<DRef<Part>>> {
    let count = instantiate(Count::new(run.file("count.txt")?))?;
    let all = run.realize(&count)?.count.load()?;
    (1..=all)
        .map(|number| Ok(instantiate(Part::new(number, count.clone()))?))
        .collect()
}

fn main() -> ExitCode {
    pylightnix_cli::main_with(parts)
}
