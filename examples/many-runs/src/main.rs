//! The book's nondeterministic stage: a search from random places, and the use of many such searches.

mod random;

use pylightnix::prelude::*;

use random::Random;

// ANCHOR: search
/// Searches for a low place of a bumpy curve, at random places.
#[derive(Config)]
struct Search {
    #[selfref("found.json")]
    found: SelfRef<Json<Place>>,
    tries: u32,
}

/// A place on the curve.
#[derive(serde::Serialize, serde::Deserialize)]
struct Place {
    x: f64,
    height: f64,
}

#[stage]
fn search(b: &Build<Search>) -> Result<SearchOutputs> {
    let mut random = Random::seeded(b.index());
    let places = (0..b.tries)
        .map(|_| random.between(-10., 10.))
        .map(|x| Place {
            x,
            height: height(x),
        });
    let lowest = places.min_by(|one, two| one.height.total_cmp(&two.height));
    let found = lowest.ok_or("a search takes at least one try")?;
    Ok(SearchOutputs {
        found: b.found.save(&found)?,
    })
}

fn height(x: f64) -> f64 {
    x * x / 10. + 3. * (x.rem_euclid(1.5) - 0.75).abs()
}
// ANCHOR_END: search

// ANCHOR: key
fn found(run: &RRef<Search>) -> Result<f64> {
    Ok(run.found.load()?.height)
}
// ANCHOR_END: key

// ANCHOR: average
/// The average result of several searches.
#[derive(Config)]
struct Average {
    #[selfref("average.json")]
    out: SelfRef<Json<f64>>,
    #[dref]
    runs: DRef<Search, Many>,
}

#[stage]
fn average(b: &Build<Average>) -> Result<AverageOutputs> {
    let mut sum = 0.;
    for run in &b.runs {
        sum += run.found.load()?.height;
    }
    Ok(AverageOutputs {
        out: b.out.save(&(sum / b.runs.len() as f64))?,
    })
}
// ANCHOR_END: average

// ANCHOR: nouts
/// Many searches in one run.
#[derive(Config)]
struct Searches {
    #[selfref("found.json")]
    found: SelfRef<Json<Place>>,
    tries: u32,
}

#[stage(matcher = all(), many, nouts = 4)]
fn searches(b: &Build<Searches>) -> Result<SearchesOutputs> {
    let x = Random::seeded(b.index()).between(-10., 10.);
    Ok(SearchesOutputs {
        found: b.found.save(&Place {
            x,
            height: height(x),
        })?,
    })
}
// ANCHOR_END: nouts

fn main() -> Result<()> {
    let store = Store::open("_store")?;

    println!("# one");
    // ANCHOR: one
    let search = instantiate(Search::new(20))?;
    let first = store.realize(&search)?;
    let same = store.realize(&search)?; // nothing runs
    let other = Realize::new(&store).force(&search).run(&search)?;
    println!("{first}\n{same}\n{other}");
    // ANCHOR_END: one

    println!("# ten");
    // ANCHOR: ten
    let ten = search.clone().with_matcher(matcher::lowest_n(10, found));
    for run in store.realize(&ten)? {
        println!("{:.3} at {:.3}", found(&run)?, run.found.load()?.x);
    }
    let best = store.realize(&search.clone().with_matcher(matcher::lowest(found)))?;
    println!("the lowest is {:.3}", found(&best)?);
    // ANCHOR_END: ten

    println!("# average");
    // ANCHOR: ensemble
    let average = store.realize(&instantiate(Average::new(ten))?)?;
    println!("{:.3}, of {} runs", average.out.load()?, average.runs.len());
    // ANCHOR_END: ensemble

    println!("# others");
    // ANCHOR: others
    let highest = search.clone().highest(|run| Ok(run.found.load()?.height));
    let right = |run: &RRef<Search>| Ok(run.found.load()?.x > 0.);
    let lowest_right = search
        .clone()
        .with_matcher(matcher::lowest(found).filter(right));
    let this = search.clone().with_matcher(matcher::exact(&first));
    let good_enough = search.with_matcher(matcher::pick(|runs: &[RRef<Search>]| {
        for run in runs {
            if found(run)? < 1. {
                return Ok(Some(run.clone()));
            }
        }
        Ok(None) // none is there yet: one more run
    }));
    for choice in [highest, lowest_right, this, good_enough] {
        println!("{:.3}", found(&store.realize(&choice)?)?);
    }
    // ANCHOR_END: others

    println!("# more");
    // ANCHOR: more
    let search = instantiate(Search::new(20))?;
    let newest = search.clone().latest_n(3);
    let any = search.clone().with_matcher(matcher::some(2));
    let these = search
        .clone()
        .with_matcher(matcher::exact_many([&first, &other]));
    let lowest_right = search.clone().lowest_n(2, |run| {
        let found = run.found.load()?;
        Ok((found.x > 0.).then_some(found.height)) // `None`: never chosen
    });
    let good = search.with_matcher(matcher::pick_many(|runs: &[RRef<Search>]| {
        let mut good = Vec::new();
        for run in runs {
            if found(run)? < 1. {
                good.push(run.clone());
            }
        }
        Ok(good) // empty: one more run
    }));
    for choice in [newest, any, these, lowest_right, good] {
        println!("{} runs", store.realize(&choice)?.len());
    }
    // ANCHOR_END: more

    println!("# several");
    // ANCHOR: several
    let searches = store.realize(&instantiate(Searches::new(1))?)?; // a `Vec`
    println!("{} results", searches.len());
    // ANCHOR_END: several
    Ok(())
}
