//! The book's first program: some numbers.

// ANCHOR: numbers
use pylightnix::prelude::*;

/// Some numbers.
#[derive(Config)]
struct Numbers {
    #[selfref("numbers.json")]
    out: SelfRef<Json<Vec<f64>>>,
    count: u32,
}

#[stage]
fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
    println!("making {} numbers", b.count);
    let numbers = (0..b.count).map(|n| f64::from(n).sqrt()).collect();
    Ok(NumbersOutputs {
        out: b.out.save(&numbers)?,
    })
}
// ANCHOR_END: numbers

// ANCHOR: main
fn main() -> Result<()> {
    let store = Store::open("_store")?;

    let numbers = instantiate(Numbers::new(5))?;
    println!("{numbers}");
    let rref = store.realize(&numbers)?;
    println!("{rref}");
    println!("{:.2?} in {}", rref.out.load()?, rref.out.path().display());
    Ok(())
}
// ANCHOR_END: main
