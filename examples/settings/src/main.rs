//! A descent with many settings, some of which fail.

use pylightnix::prelude::*;

// ANCHOR: argument
/// The verbosity, which is not part of any result.
struct Verbosity(u8);
// ANCHOR_END: argument

// ANCHOR: descent
#[derive(Config)]
struct Descent {
    #[selfref("least.json")]
    least: SelfRef<Json<f64>>,
    rate: f64,
    #[config(default = 8)]
    steps: u32,
}

#[stage(fallible, args(Verbosity))]
fn descent(b: &Build<Descent>) -> Result<DescentOutputs> {
    let mut x = 0.0_f64;
    for step in 1..=b.steps {
        x -= b.rate * 2. * (x - 3.); // down the slope of (x - 3)²
        if b.arg::<Verbosity>().0 > 0 {
            eprintln!("rate {}: {x:.3} after {step}", b.rate);
        }
        if x.abs() > 20. {
            return Err(format!("with rate {} it diverged in step {step}", b.rate).into());
        }
    }
    Ok(DescentOutputs {
        least: b.least.save(&(x - 3.).powi(2))?,
    })
}
// ANCHOR_END: descent

// ANCHOR: best
#[derive(Config)]
struct Best {
    #[selfref("best.txt")]
    text: SelfRef<Text>,
    #[dref]
    descents: Vec<DRef<Descent, Try<One>>>,
}

#[stage]
fn best(b: &Build<Best>) -> Result<BestOutputs> {
    let mut lines = Vec::new();
    for descent in &b.descents {
        lines.push(match descent {
            Ok(descent) => format!("rate {}: {:.6}", descent.rate, descent.least.load()?),
            Err(failure) => failure.text().to_owned(),
        });
    }
    Ok(BestOutputs {
        text: b.text.save(&lines.join("\n"))?,
    })
}

fn experiment() -> Result<DRef<Best>> {
    let rates = [0.1, 0.4, 1.5];
    let descents: Result<Vec<_>> = rates
        .into_iter()
        .map(|rate| Ok(instantiate(Descent::new(rate))?))
        .collect();
    Ok(instantiate(Best::new(descents?))?)
}
// ANCHOR_END: best

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    let parts = [missing, run, again, retried, asserted, evaluated, choices];
    let names = [
        "missing",
        "run",
        "again",
        "retried",
        "asserted",
        "evaluated",
        "choices",
    ];
    let wanted = std::env::args().nth(1);
    let mut known = false;
    for (part, name) in parts.iter().zip(names) {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            known = true;
            part(&store)?;
        }
    }
    match known {
        true => Ok(()),
        false => Err(format!("say one of {}", names.join(", ")).into()),
    }
}

fn missing(store: &Store) -> Result<()> {
    // ANCHOR: missing
    if let Err(error) = store.realize(&experiment()?) {
        println!("{error:?}");
    }
    // ANCHOR_END: missing
    Ok(())
}

fn run(store: &Store) -> Result<()> {
    // ANCHOR: run
    let run = Realize::new(store).arg(Verbosity(0));
    let (best, report) = run.run_reporting(&experiment()?)?;
    println!("{}\n{report}", best.text.load()?);
    // ANCHOR_END: run
    Ok(())
}

fn again(store: &Store) -> Result<()> {
    // ANCHOR: again
    let (_, report) = Realize::new(store).run_reporting(&experiment()?)?;
    println!("{report}");

    let strict = instantiate(Descent::new(1.5))?;
    match store.realize(&strict)? {
        Ok(descent) => println!("{}", descent.least.load()?),
        Err(failure) => println!("{failure}"),
    }
    // ANCHOR_END: again
    Ok(())
}

fn retried(store: &Store) -> Result<()> {
    // ANCHOR: retried
    let run = Realize::new(store).arg(Verbosity(1)).retry_failed();
    println!("{}", run.plan(&experiment()?)?);
    run.run(&experiment()?)?;
    // ANCHOR_END: retried
    Ok(())
}

fn asserted(store: &Store) -> Result<()> {
    // ANCHOR: asserted
    let best = store.realized(&experiment()?)?;
    println!("{} lines are there", best.text.load()?.lines().count());

    let longer = instantiate(Descent {
        steps: 500,
        ..Descent::new(0.1)
    })?;
    if let Err(error) = store.realized(&longer) {
        println!("{error:?}");
    }
    // ANCHOR_END: asserted
    Ok(())
}

fn evaluated(store: &Store) -> Result<()> {
    // ANCHOR: evaluated
    let best = store.evaluate(experiment)?;
    println!("{}", best.descents.len());
    // ANCHOR_END: evaluated
    Ok(())
}

fn choices(store: &Store) -> Result<()> {
    // ANCHOR: choices
    let best = store.realized(&experiment()?)?;
    for build in best.builds() {
        for (dref, choice) in &build.choices {
            let took = choice.took.len();
            println!("{dref}: {took} of {}, by {}", choice.from, choice.matcher);
        }
    }
    // ANCHOR_END: choices
    Ok(())
}
