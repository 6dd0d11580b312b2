//! The command line of the experiment.

use std::process::ExitCode;

use pylightnix_cli::{App, clap};

#[derive(clap::Args)]
struct Arguments {
    /// How many days before and after a day smooth it
    #[arg(long, default_value_t = 2)]
    window: u32,
}

fn main() -> ExitCode {
    App::with_args::<Arguments>()
        .about("What the weather did, and what it will do")
        .target("report", |mine| Ok(weather::experiment(mine.window)?))
        .main()
}
