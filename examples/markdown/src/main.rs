//! Runs the code blocks of a Markdown document, and writes the output below each of them.

mod blocks;
mod document;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use pylightnix::prelude::*;
use pylightnix::realize::Event;

use blocks::{Block, Language};
use document::{CodeBlock, code_blocks, with_outputs};

/// The document that is used if none is given.
const SAMPLE: &str = include_str!("../report.md");

fn main() -> Result<()> {
    let mut languages = Language::known();
    let mut documents = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument != "--language" {
            documents.push(argument);
            continue;
        }
        let given: Vec<String> = arguments.by_ref().take(3).collect();
        let [name, program, print] = given.as_slice() else {
            return Err(
                "say `--language NAME PROGRAM PRINT`, with a statement that prints MARK".into(),
            );
        };
        languages.retain(|known| known.name != *name);
        languages.push(Language::new(name, program, print));
    }
    if documents.is_empty() {
        documents.push("report.md".to_owned());
        if !Path::new("report.md").exists() {
            fs::write("report.md", SAMPLE)?;
        }
    }
    let store = Store::open("_store")?;
    documents
        .iter()
        .try_for_each(|document| run(&store, document.as_ref(), &languages))
}

fn run(store: &Store, path: &Path, languages: &[Language]) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let blocks = code_blocks(&text);
    // ANCHOR: plan
    let mut last: HashMap<&str, DRef<Block>> = HashMap::new();
    let mut plan: Vec<(&CodeBlock, DRef<Block>)> = Vec::new();
    for block in &blocks {
        let Some(language) = languages.iter().find(|known| known.name == block.language) else {
            continue;
        };
        let config = Block::new(
            block.code.clone(),
            language.program.clone(),
            language.print.clone(),
            last.get(block.language.as_str()).cloned(),
        );
        let dref = instantiate(config)?;
        last.insert(&block.language, dref.clone());
        plan.push((block, dref));
    }
    // ANCHOR_END: plan
    println!(
        "{}: {} of {} blocks are programs",
        path.display(),
        plan.len(),
        blocks.len()
    );
    // ANCHOR: realize
    let lines: HashMap<_, _> = plan
        .iter()
        .map(|(block, dref)| (dref.id(), block.line))
        .collect();
    let observer = |event: &Event<'_>| match event {
        Event::Started { dref, .. } => println!("line {} runs", lines[dref]),
        Event::Failed { dref, .. } => println!("line {} fails", lines[dref]),
        _ => {}
    };
    let drefs: Vec<_> = plan.iter().map(|(_, dref)| dref.clone()).collect();
    let run = Realize::new(store).jobs(1).observer(observer);
    let realized = run.run(&drefs)?;
    let mut outputs = Vec::new();
    for ((block, _), rref) in plan.iter().zip(realized) {
        outputs.push((*block, rref.output.load()?));
    }
    fs::write(path, with_outputs(&text, &outputs))?;
    // ANCHOR_END: realize
    Ok(())
}
