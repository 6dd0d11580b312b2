//! Completions for shells: names and references in the store, stages and targets of the plan.

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::text::short_dref;
use pylightnix::plan::{Registration, registered};
use pylightnix::store::Store;

/// The maximum number of candidates.
const MOST: usize = 500;

/// Completes names of stages and references in the store.
pub(crate) fn references() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| candidates(current).unwrap_or_default())
}

/// Completes names and references where patterns of names are accepted too.
pub(crate) fn names() -> ArgValueCompleter {
    references()
}

/// Completes the given targets of the program, and stages of its plan.
pub(crate) fn targets(names: Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let named = names
            .iter()
            .filter(|name| !name.is_empty() && begins(name, current));
        let named = named.map(|name| CompletionCandidate::new(name).help(Some("target".into())));
        let stages = of_program(current);
        let more =
            stages.filter(|stage| names.iter().all(|name| stage.get_value() != name.as_str()));
        named.chain(more).collect()
    })
}

/// Completes the stages that the program contains. Does not make the plan.
pub(crate) fn stages() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| of_program(current).collect())
}

fn of_program(current: &OsStr) -> impl Iterator<Item = CompletionCandidate> {
    let mut names: Vec<&str> = registered().map(Registration::name).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| begins(name, current));
    names
        .into_iter()
        .map(|name| CompletionCandidate::new(name).help(Some("stage".into())))
}

fn begins(name: &str, current: &OsStr) -> bool {
    current
        .to_str()
        .is_some_and(|current| name.starts_with(current))
}

fn candidates(current: &OsStr) -> Option<Vec<CompletionCandidate>> {
    let current = current.to_str()?;
    let store = store()?;
    if let Some((dref, rref)) = current.split_once('/') {
        return in_derivation(&store, dref, rref);
    }
    let (prefix, begin) = match current.strip_prefix("dref:") {
        Some(begin) => ("dref:", begin),
        None => ("", current),
    };
    let mut found = store.drefs_beginning(begin).ok()?;
    if !prefix.is_empty() {
        found.retain(|dref| dref.folder().starts_with(begin));
    }
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut hashes = Vec::new();
    for dref in &found {
        if prefix.is_empty() && dref.name().as_str().starts_with(begin) {
            *named.entry(dref.name().as_str()).or_default() += 1;
        } else {
            hashes.push(dref);
        }
    }
    let names = named.into_iter().map(|(name, count)| {
        let help = crate::text::count(count, "derivation", "derivations");
        CompletionCandidate::new(name).help(Some(help.into()))
    });
    let hashes = hashes.into_iter().take(MOST).map(|dref| {
        let short = match prefix {
            "" if begin.len() <= 8 => short_dref(dref),
            _ => format!("{prefix}{}", dref.folder()),
        };
        CompletionCandidate::new(short).help(Some(dref.name().to_string().into()))
    });
    Some(names.chain(hashes).collect())
}

/// Completes `<derivation>/<beginning of a realization>`.
fn in_derivation(store: &Store, dref: &str, begin: &str) -> Option<Vec<CompletionCandidate>> {
    let mut drefs = store.drefs_beginning(dref).ok()?;
    drefs.retain(|one| one.folder().starts_with(dref) || one.name().as_str() == dref);
    let found = drefs.iter().filter_map(|dref| store.rrefs_of(dref).ok());
    let found = found
        .flatten()
        .filter(|rref| rref.folder().starts_with(begin));
    let found = found.take(MOST);
    let shown = found.map(|rref| {
        CompletionCandidate::new(format!("{dref}/{}", &rref.folder()[..8]))
            .help(Some(rref.name().to_string().into()))
    });
    Some(shown.collect())
}

/// Opens the store that the command line names so far.
fn store() -> Option<Store> {
    let mut words = std::env::args_os().skip_while(|word| word != "--");
    let mut place = None;
    while let Some(word) = words.next() {
        if word == "--store" {
            place = words.next().map(PathBuf::from);
        } else if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--store=")) {
            place = Some(PathBuf::from(path));
        }
    }
    let place = place.map_or_else(Store::default_root, Ok).ok()?;
    Store::open_existing(place).ok()
}
