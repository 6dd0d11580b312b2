//! The book as Markdown with its code included, for readers of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mdbook_driver::MDBook;
use mdbook_driver::builtin_renderers::MarkdownRenderer;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The table of contents, which is displayed for the folder.
const CONTENTS: &str = "README.md";

/// The folder of the sources, beside that of the pages.
const SOURCES: &str = "src/";

/// Returns the pages of the book in a folder, by name.
pub(crate) fn pages(book: &Path) -> Result<BTreeMap<String, String>, String> {
    let said = |error| format!("{error:#}");
    let (chapters, _) = MDBook::load(book)
        .and_then(|book| book.preprocess_book(&MarkdownRenderer::new()))
        .map_err(said)?;
    let chapters: Vec<_> = (chapters.chapters())
        .filter_map(|chapter| {
            let name = chapter.path.as_ref()?.to_str()?.to_owned();
            let text = pictures_of_sources(&name, chapter.content.trim_end());
            Some((name, text))
        })
        .collect();
    let mut pages = BTreeMap::new();
    for (at, (name, text)) in chapters.iter().enumerate() {
        let up = "../".repeat(name.matches('/').count());
        let link = |words: &str, name: &str| format!("[{words}]({up}{name})");
        let ends = [
            at.checked_sub(1)
                .map(|at| link("Previous", &chapters[at].0)),
            Some(link("Contents", CONTENTS)),
            chapters.get(at + 1).map(|next| link("Next", &next.0)),
        ];
        let ends: Vec<_> = ends.into_iter().flatten().collect();
        pages.insert(
            name.clone(),
            format!("{}\n{text}\n\n---\n\n{}\n", note(name), ends.join(" | ")),
        );
    }
    let summary = fs::read_to_string(book.join("src/SUMMARY.md"))
        .map_err(|error| format!("SUMMARY.md: {error}"))?;
    // The first line is `# Summary`, and its parts are headings of the first level.
    let contents = summary.split_once('\n').map_or("", |(_, rest)| rest);
    let contents = contents.replace("\n# ", "\n## ");
    pages.insert(
        CONTENTS.to_owned(),
        format!("{}\n# The book\n{contents}", note("SUMMARY.md")),
    );
    Ok(pages)
}

/// Lets the pictures of a page be those beside its source.
fn pictures_of_sources(name: &str, text: &str) -> String {
    let up = "../".repeat(name.matches('/').count() + 1);
    let mut shown = text.to_owned();
    for picture in pictures(text) {
        let from = beside(name, &picture);
        let source = format!("]({up}{SOURCES}{from})");
        shown = shown.replace(&format!("]({picture})"), &source);
    }
    shown
}

/// Returns the paths of the pictures of a page.
fn pictures(text: &str) -> BTreeSet<String> {
    let pictures = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    pictures.filter(|path| !path.contains("://")).collect()
}

/// Returns the pictures of pages that do not exist, one per line.
pub(crate) fn picture_faults(pages: &BTreeMap<String, String>, folder: &Path) -> Vec<String> {
    let all = pages.iter().flat_map(|(name, text)| {
        let pictures = pictures(text).into_iter();
        pictures.map(move |picture| (name, picture))
    });
    let missing = all.filter(|(name, picture)| {
        let page = folder.join(name);
        let there = page.parent().unwrap_or(folder).join(picture);
        !there.is_file()
    });
    let faults = missing.map(|(name, picture)| format!("{name}: there is no picture {picture}"));
    faults.collect()
}

/// Returns the note at the beginning of a page, for people who want to change it.
fn note(source: &str) -> String {
    format!(
        "<!-- Written from book/src/{source} by a test: change that, and see CONTRIBUTING.md. -->\n"
    )
}

/// Returns all broken links between pages, one per line.
pub(crate) fn link_faults(pages: &BTreeMap<String, String>) -> Vec<String> {
    let places: BTreeMap<_, _> = (pages.iter())
        .map(|(name, text)| (name.as_str(), headings(text)))
        .collect();
    let mut faults = Vec::new();
    for (name, text) in pages {
        let links = Parser::new(text).filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url),
            _ => None,
        });
        for link in links.filter(|link| !link.contains("://")) {
            let (path, place) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => name.clone(),
                path => beside(name, path),
            };
            match places.get(target.as_str()) {
                None => faults.push(format!("{name}: `{link}`: there is no such page")),
                Some(places) if !place.is_empty() && !places.contains(place) => {
                    faults.push(format!("{name}: `{link}`: there is no such place in it"));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// Resolves `path` relative to the page `name`.
fn beside(name: &str, path: &str) -> String {
    let mut parts: Vec<_> = name.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the anchors of a page's headings, as forges generate them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                names.extend(heading.take().map(|text| name_of(&text)));
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(text) = &mut heading {
                    text.push_str(&part);
                }
            }
            _ => {}
        }
    }
    names
}

fn name_of(heading: &str) -> String {
    let letters = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter.is_alphanumeric().then_some(letter),
    });
    letters.collect::<String>().to_lowercase()
}

/// Returns the differences between these pages and the files of a folder, one per line.
pub(crate) fn differences(pages: &BTreeMap<String, String>, folder: &Path) -> Vec<String> {
    let there = files(folder, "");
    let mut faults: Vec<_> = (there.iter())
        .filter(|name| !pages.contains_key(*name))
        .map(|name| format!("{name} is no page of the book"))
        .collect();
    for (name, text) in pages {
        match fs::read_to_string(folder.join(name)) {
            Ok(found) if found == *text => {}
            Ok(_) => faults.push(format!("{name} is not what the book says now")),
            Err(error) => faults.push(format!("{name}: {error}")),
        }
    }
    faults
}

/// Writes the pages into a folder, and removes all other files from it.
pub(crate) fn write(pages: &BTreeMap<String, String>, folder: &Path) -> std::io::Result<()> {
    for name in files(folder, "")
        .iter()
        .filter(|name| !pages.contains_key(*name))
    {
        fs::remove_file(folder.join(name))?;
    }
    for (name, text) in pages {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Returns the paths of all files below a folder.
fn files(folder: &Path, below: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder.join(below))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => found.extend(files(folder, &format!("{name}/"))),
            false => drop(found.insert(name)),
        }
    }
    found
}
