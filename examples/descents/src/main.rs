//! Descents with several rates, and the best of them, as a program with a command line.

use std::process::ExitCode;

use pylightnix::prelude::*;
use pylightnix_cli::{App, clap};

#[derive(clap::Args)]
struct Arguments {
    /// The number of steps of each descent
    #[arg(long, default_value_t = 8)]
    steps: u32,
}

/// A gradient descent on (x - 3)².
#[derive(Config)]
struct Descent {
    #[selfref("heights.json")]
    heights: SelfRef<Json<Vec<f64>>>,
    #[selfref("least.json")]
    least: SelfRef<Json<f64>>,
    rate: f64,
    steps: u32,
}

#[stage]
fn descent(b: &Build<Descent>) -> Result<DescentOutputs> {
    let mut x = 0.0_f64;
    let mut heights = vec![9.];
    for _ in 0..b.steps {
        x -= b.rate * 2. * (x - 3.);
        heights.push(rounded((x - 3.).powi(2)));
    }
    let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(DescentOutputs {
        heights: b.heights.save(&heights)?,
        least: b.least.save(&least)?,
    })
}

fn rounded(height: f64) -> f64 {
    (height * 1e4).round() / 1e4
}

/// The best rate.
#[derive(Config)]
struct Best {
    #[selfref("rate.json")]
    rate: SelfRef<Json<f64>>,
    #[dref]
    descents: Vec<DRef<Descent>>,
}

#[stage]
fn best(b: &Build<Best>) -> Result<BestOutputs> {
    let mut best = (f64::INFINITY, f64::NAN);
    for descent in &b.descents {
        let least = descent.least.load()?;
        if least < best.0 {
            best = (least, descent.rate);
        }
    }
    Ok(BestOutputs {
        rate: b.rate.save(&best.1)?,
    })
}

fn main() -> ExitCode {
    App::with_args::<Arguments>()
        .about("Descents with several rates, and the best of them")
        .target("best", |arguments| {
            let descent = |rate| instantiate(Descent::new(rate, arguments.steps));
            let descents: Result<Vec<_>, _> = [0.05, 0.2, 0.9].map(descent).into_iter().collect();
            Ok(instantiate(Best::new(descents?))?)
        })
        .main()
}
