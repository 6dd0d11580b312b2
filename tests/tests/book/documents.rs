//! The documents at the top level: what they link to and the files that they name exist.

use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag};

/// Where a file that is named may lie: from the top level, or in the library.
const BELOW: [&str; 3] = ["", "pylightnix/src", "tests/tests"];

/// All that is wrong with the documents in a folder, a line each.
pub(crate) fn faults(root: &Path, names: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for name in names {
        let Ok(text) = std::fs::read_to_string(root.join(name)) else {
            faults.push(format!("{name}: there is no such document"));
            continue;
        };
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !path.is_empty() && !root.join(path).exists() {
                faults.push(format!("{name}: `{link}` links to no file"));
            }
        }
        let named = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)));
        // What follows `https:` is an address.
        let files =
            named.filter(|word| word.ends_with(".rs") && *word != ".rs" && !word.starts_with("//"));
        for file in files {
            if !BELOW
                .iter()
                .any(|below| root.join(below).join(file).is_file())
            {
                faults.push(format!("{name}: there is no file `{file}`"));
            }
        }
    }
    faults
}

fn links(text: &str) -> Vec<String> {
    let links = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    links.collect()
}
