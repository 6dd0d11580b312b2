//! All checks of a book.

use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

use crate::{blocks, includes, links, summary};

/// A Markdown file of the book.
pub(crate) struct Source {
    /// The path below `src/`.
    pub(crate) name: String,
    /// The folder that contains it.
    pub(crate) folder: PathBuf,
    pub(crate) text: String,
}

/// Returns all faults of the book in a folder, one per line. Builds the book into `built`.
pub(crate) fn faults(book: &Path, built: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    read_sources(&book.join("src"), "", &mut sources);
    let mut faults = summary::faults(&sources);
    for source in &sources {
        includes::faults(source, &mut faults);
        blocks::faults(source, book, &mut faults);
    }
    match build(book, built) {
        Ok(()) => {
            for source in sources.iter().filter(|source| source.name != "SUMMARY.md") {
                links::faults(built, &source.name.replace(".md", ".html"), &mut faults);
            }
        }
        Err(error) => faults.push(format!("the book cannot be built: {error}")),
    }
    faults
}

fn build(book: &Path, built: &Path) -> Result<(), String> {
    let said = |error| format!("{error:#}");
    let mut config = Config::from_disk(book.join("book.toml")).map_err(said)?;
    config.build.build_dir = built.to_owned();
    MDBook::load_with_config(book, config)
        .and_then(|book| book.build())
        .map_err(said)
}

fn read_sources(folder: &Path, below: &str, sources: &mut Vec<Source>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_sources(&path, &format!("{name}/"), sources);
        } else if name.ends_with(".md") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source {
                name,
                folder: folder.to_owned(),
                text,
            });
        }
    }
}
