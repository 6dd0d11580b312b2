//! A closure needs no type written, also where it uses `?` on errors of several kinds.

use pylightnix::prelude::*;
use std::process::ExitCode;

#[derive(Config)]
struct Part {
    number: u64,
}

#[stage]
fn part(_b: &Build<Part>) -> Result<()> {
    Ok(())
}

#[derive(Params)]
struct Settings {
    /// The number of parts
    #[param(default = 2)]
    parts: u64,
}

fn main() -> ExitCode {
    if std::env::args().count() > 100 {
        return pylightnix_cli::main_with_params(|_, settings: Settings| {
            Ok(instantiate(Part::new(settings.parts))?)
        });
    }
    if std::env::args().count() > 200 {
        return pylightnix_cli::main_with(|run| {
            let first = instantiate(Part::new("0".parse()?))?;
            run.realize(&first)?;
            let parts = (1..3).map(|number| instantiate(Part::new(number)));
            Ok((first, parts.collect::<Result<Vec<_>, _>>()?))
        });
    }
    ExitCode::SUCCESS
}
