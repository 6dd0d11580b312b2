//! Fetching the texts of code that build records name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::RemoteIndex;
use super::line::{Bundle, CodeLine};
use super::objects::Remote;
use super::ranges;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// Saves the texts of these fingerprints that are not here, as far as the remote has them. Returns why some were passed over: they are for
/// people, so that nothing else depends on them.
pub(super) fn fetch(
    store: &Store,
    remote: &Remote,
    index: &RemoteIndex,
    fingerprints: &BTreeSet<String>,
    told: &mut dyn FnMut(u64),
) -> Result<Vec<Error>> {
    let mut lines: BTreeMap<&str, &CodeLine> = BTreeMap::new();
    for fingerprint in fingerprints {
        // What cannot be the name of a text has none.
        if store.has_code(fingerprint).unwrap_or(true) {
            continue;
        }
        if let Some(line) = index.code.get(fingerprint) {
            lines.insert(fingerprint, line);
        }
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<&str> = lines.keys().copied().collect();
    // The items that other lines have.
    let items: BTreeSet<&String> = lines.values().flat_map(|line| &line.items).collect();
    for hash in items {
        let is_new = || Ok::<_, Error>(store.code_item(hash)?.is_none());
        if let Some((fingerprint, _)) = index.items.get(hash)
            && let Some(line) = index.code.get(fingerprint)
            && !lines.contains_key(fingerprint.as_str())
            && is_new()?
        {
            lines.insert(&line.fingerprint, line);
        }
    }
    let all: Vec<&CodeLine> = lines.into_values().collect();
    let bundles: Vec<&Bundle> = all.iter().map(|line| &line.bundle).collect();
    let (mut texts, mut lists) = (HashMap::new(), HashMap::new());
    let mut refused = Vec::new();
    ranges::fetch(remote, &bundles, told, &mut |at, bytes| {
        let line = all[at];
        match bytes.map(|bytes| cut(line, &bytes)) {
            Ok(Some((list, items))) => {
                lists.insert(line.fingerprint.as_str(), list);
                texts.extend(items);
            }
            Ok(None) => refused.push(unusable(remote, &line.fingerprint)),
            Err(error) if error.kind() == ErrorKind::Remote => refused.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    for fingerprint in wanted {
        let Some(text) = lists.get(fingerprint) else {
            continue;
        };
        let item = |hash: &str| texts.get(hash).cloned();
        if !store.take_code(fingerprint, text, &item)? {
            refused.push(unusable(remote, fingerprint));
        }
    }
    Ok(refused)
}

/// Cuts the bundle of a line into the list and the texts of items, by their hashes.
fn cut(line: &CodeLine, bytes: &[u8]) -> Option<(String, Vec<(String, String)>)> {
    let mut rest = bytes;
    let mut texts = Vec::new();
    for part in &line.bundle.parts {
        let (text, after) = rest.split_at_checked(usize::try_from(part.size).ok()?)?;
        texts.push((part.name.clone(), String::from_utf8(text.to_vec()).ok()?));
        rest = after;
    }
    let (_, list) = texts.first()?.clone();
    texts.remove(0);
    Some((list, texts))
}

fn unusable(remote: &Remote, fingerprint: &str) -> Error {
    let text = format!(
        "the text of the code {fingerprint} at the remote {} is not its text",
        remote.url()
    );
    Error::new(ErrorKind::Remote, text)
}
