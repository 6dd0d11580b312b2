//! Everyday tasks: inspecting a plan, running it, watching it, and handling failures.

use std::io::Write as _;

use pylightnix::prelude::*;
use pylightnix::realize::Event;

// ANCHOR: stages
#[derive(Config)]
struct Part {
    #[selfref("part.json")]
    out: SelfRef<Json<i32>>,
    number: i32,
}

#[stage]
fn part(b: &Build<Part>) -> Result<PartOutputs> {
    writeln!(b.log(), "this is part {}", b.number)?;
    let value = 100_i32
        .checked_div(b.number - 3)
        .ok_or("there is no such thing as part 3")?;
    Ok(PartOutputs {
        out: b.out.save(&value)?,
    })
}

#[derive(Config)]
struct Whole {
    #[selfref("whole.json")]
    out: SelfRef<Json<i32>>,
    #[dref]
    parts: Vec<DRef<Part>>,
}

#[stage]
fn whole(b: &Build<Whole>) -> Result<WholeOutputs> {
    let mut sum = 0;
    for part in &b.parts {
        sum += part.out.load()?;
    }
    Ok(WholeOutputs {
        out: b.out.save(&sum)?,
    })
}

fn whole_of(parts: impl IntoIterator<Item = i32>) -> Result<DRef<Whole>> {
    let parts: Result<Vec<_>> = parts
        .into_iter()
        .map(|n| Ok(instantiate(Part::new(n))?))
        .collect();
    Ok(instantiate(Whole::new(parts?))?)
}
// ANCHOR_END: stages

fn main() -> Result<()> {
    let store = Store::open("_store")?;
    match std::env::args().nth(1).as_deref() {
        None => {
            plans(&store)?;
            watched(&store)?;
            replaced(&store)?;
            refused(&store)
        }
        Some("plans") => plans(&store),
        Some("watched") => watched(&store),
        Some("replaced") => replaced(&store),
        Some("refused") => refused(&store),
        Some("failing") => failing(&store),
        Some(_) => Err("say `plans`, `watched`, `replaced`, `refused` or `failing`".into()),
    }
}

fn plans(store: &Store) -> Result<()> {
    // ANCHOR: plans
    let whole = whole_of([1, 2])?;
    println!("{}\n", store.plan(&whole)?);

    let (result, report) = Realize::new(store).jobs(2).run_reporting(&whole)?;
    println!("{report}: {}\n", result.out.load()?);

    println!("{}\n", store.plan(&whole_of([1, 2, 4])?)?);

    let first = &whole.parts[0];
    println!("{}", Realize::new(store).force(first).plan(&whole)?);
    let (_, report) = Realize::new(store).force(first).run_reporting(&whole)?;
    println!("{report}");
    // ANCHOR_END: plans
    Ok(())
}

fn watched(store: &Store) -> Result<()> {
    let whole = whole_of([4, 5])?;
    // ANCHOR: watched
    let observer = |event: &Event<'_>| match event {
        Event::Building { dref, reason, .. } => eprintln!("{}: {reason}", dref.name()),
        Event::Published { rref, seconds, .. } => {
            eprintln!("{}: done in {seconds:.3} s", rref.name())
        }
        _ => {}
    };
    Realize::new(store).jobs(1).observer(observer).run(&whole)?;
    // ANCHOR_END: watched
    Ok(())
}

fn replaced(store: &Store) -> Result<()> {
    // ANCHOR: replaced
    let usual = instantiate(Part::new(8))?;
    let quick = usual.clone().with_realizer("always 7", |b| {
        b.out.save(&7).map(|out| PartOutputs { out })
    });
    println!("{}", store.realize(&usual)?.out.load()?);
    println!("{}", store.plan(&quick)?);
    println!("{}", store.realize(&quick)?.out.load()?);
    println!("{}", store.realize(&usual)?.out.load()?);
    // ANCHOR_END: replaced
    Ok(())
}

fn refused(store: &Store) -> Result<()> {
    // ANCHOR: refused
    let one = instantiate(Part::new(1))?.with_matcher(matcher::latest());
    let other = instantiate(Part::new(1))?.with_matcher(matcher::only());
    if let Err(error) = store.plan(&instantiate(Whole::new(vec![one, other]))?) {
        println!("{error:?}");
    }
    // ANCHOR_END: refused
    Ok(())
}

fn failing(store: &Store) -> Result<()> {
    // ANCHOR: failing
    let whole = whole_of([2, 3, 4])?;
    let result = Realize::new(store).jobs(1).keep_going().run(&whole)?;
    println!("{}", result.out.load()?);
    // ANCHOR_END: failing
    Ok(())
}
