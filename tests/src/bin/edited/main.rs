//! An experiment whose code is edited, for tests of the command `accept`.

use pylightnix::plan::{AnyDRef, Target as _};
use pylightnix::prelude::*;
use pylightnix_cli::{App, clap};
use std::process::ExitCode;

mod versions;

#[derive(clap::Args)]
struct Arguments {
    /// The version of the code
    #[arg(long, default_value = "first")]
    code: String,
}

/// Returns the stage at the top of the plan of a version.
fn plan(code: &str) -> Result<Vec<AnyDRef>> {
    let mut stages = Vec::new();
    let mut add = |dref: &AnyDRef| stages.push(dref.clone());
    match code {
        "earlier" => versions::earlier::plan()?.visit(&mut add),
        "first" => versions::first::plan()?.visit(&mut add),
        "same" => versions::same::plan()?.visit(&mut add),
        "other" => versions::other::plan()?.visit(&mut add),
        "both" => versions::both::plan()?.visit(&mut add),
        _ => return Err(format!("there is no version {code}").into()),
    }
    Ok(stages)
}

fn main() -> ExitCode {
    App::with_args::<Arguments>()
        .target("shown", |mine| plan(&mine.code))
        .main()
}
