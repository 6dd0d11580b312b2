//! Existing data as derivations: values of the program, and local files.

use std::fs;

use pylightnix::prelude::*;
use pylightnix::stages::{Given, Imported, file, file_anew, node, node_files};

// ANCHOR: stage
/// The number of occurrences of each word in a text.
#[derive(Config)]
struct Count {
    #[selfref("count.txt")]
    out: SelfRef<Text>,
    #[dref]
    text: DRef<Imported>,
    #[dref]
    words: DRef<Given<Json<Vec<String>>>>,
}

#[stage]
fn count(b: &Build<Count>) -> Result<CountOutputs> {
    let text = fs::read_to_string(b.text.out.path())?;
    let mut lines = String::new();
    for word in b.words.out.load()? {
        lines += &format!("{word}: {}\n", text.matches(&word).count());
    }
    Ok(CountOutputs {
        out: b.out.save(&lines)?,
    })
}
// ANCHOR_END: stage

fn main() -> Result<()> {
    // ANCHOR: main
    let store = Store::open("_store")?;
    fs::write("poem.txt", "a rose is a rose\n")?;

    let words = node::<Json<_>>("words", &vec!["rose".to_owned(), "is".to_owned()])?;
    let counted = |text| instantiate(Count::new(text, words.clone()));

    let count = counted(file(&store, "poem.txt")?)?;
    print!("{}", store.realize(&count)?.out.load()?);

    fs::write("poem.txt", "a rose is a rose is a rose\n")?;
    let count = counted(file(&store, "poem.txt")?)?; // another text: another derivation
    println!("{}", store.plan(&count)?);
    print!("{}", store.realize(&count)?.out.load()?);
    // ANCHOR_END: main

    // ANCHOR: files
    let files = node_files("letters", [("a.txt", "alpha"), ("more/b.txt", "beta")])?;
    let (files, poem) = store.realize(&(files, file_anew(&store, "poem.txt")?))?;
    println!(
        "{}",
        fs::read_to_string(files.out.path().join("more/b.txt"))?
    );
    print!("{}", fs::read_to_string(poem.out.path())?);
    // ANCHOR_END: files
    Ok(())
}
