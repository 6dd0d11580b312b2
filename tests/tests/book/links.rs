//! Every link of a built page leads to an existing target.

use std::fs;
use std::path::Path;

/// Checks the page that was built as `page`.
pub(crate) fn faults(built: &Path, page: &str, faults: &mut Vec<String>) {
    let Ok(html) = fs::read_to_string(built.join(page)) else {
        return; // No chapter, which is told once.
    };
    if html.contains("{{#") {
        faults.push(format!("{page}: an include is left over"));
    }
    // Text that was meant as a link and was not parsed as one.
    for line in html.lines().filter(|line| line.contains("](")) {
        faults.push(format!("{page}: this is not a link: {line}"));
    }
    let main = html
        .split("<main>")
        .nth(1)
        .and_then(|html| html.split("</main>").next());
    let Some(main) = main else {
        faults.push(format!("{page}: it has no content"));
        return;
    };
    for link in values(main, "a", "href").chain(values(main, "img", "src")) {
        if let Some(why) = fault(built, page, link) {
            faults.push(format!("{page}: `{link}`: {why}"));
        }
    }
}

fn fault(built: &Path, page: &str, link: &str) -> Option<&'static str> {
    if link.contains(':') {
        return (!is_address(link)).then_some("is not the address of a page");
    }
    let (path, place) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => built.join(page),
        path => built.join(page).parent().unwrap().join(path),
    };
    if !target.is_file() {
        return Some("there is no such page");
    }
    let is_there =
        || values_anywhere(&fs::read_to_string(&target).unwrap(), "id").any(|id| id == place);
    (!place.is_empty() && !is_there()).then_some("there is no such place in it")
}

/// Returns whether a link is `https://` or `http://` with a host.
fn is_address(link: &str) -> bool {
    let rest = link
        .strip_prefix("https://")
        .or_else(|| link.strip_prefix("http://"));
    let Some(rest) = rest else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    host.contains('.')
        && host.split('.').all(is_label)
        && link.chars().all(|letter| letter.is_ascii_graphic())
}

/// Iterates over the values of `attribute` in all tags with this name.
fn values<'a>(html: &'a str, tag: &str, attribute: &'a str) -> impl Iterator<Item = &'a str> {
    let tags = html
        .split(&format!("<{tag} "))
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap_or(rest))
        .collect::<Vec<_>>();
    tags.into_iter()
        .filter_map(move |tag| values_anywhere(tag, attribute).next())
}

/// Iterates over the values of all attributes with this name.
fn values_anywhere<'a>(html: &'a str, attribute: &str) -> impl Iterator<Item = &'a str> {
    let found: Vec<_> = html
        .split(&format!("{attribute}=\""))
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or(rest))
        .collect();
    found.into_iter()
}
