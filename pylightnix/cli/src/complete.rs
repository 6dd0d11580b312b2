//! Completions for shells: names and references in the store, stages and targets of the plan, parameters of the program.

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::text::short_dref;
use pylightnix::experiment::{Param, ParamList, ParamSources};
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

/// Completes where stages run.
pub(crate) fn places() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let all = [
            ("threads", "of this process"),
            ("processes", "of their own"),
            ("slurm", "as jobs of a cluster"),
        ];
        let all = all.into_iter().filter(|(name, _)| begins(name, current));
        let all = all.map(|(name, what)| CompletionCandidate::new(name).help(Some(what.into())));
        all.collect()
    })
}

/// Returns the type, the values and the default of a parameter, as text.
pub(crate) fn kind_of(param: &Param) -> String {
    let names: Vec<&str> = param.variants.iter().map(|it| it.name.as_str()).collect();
    let names = match names.is_empty() {
        true => String::new(),
        false => format!(", one of {}", names.join(", ")),
    };
    let default = match &param.default {
        Some(value) => format!("default {}", as_given(value)),
        None => "has to be given".to_owned(),
    };
    format!("{}{names}; {default}", param.type_name)
}

/// Completes `KEY=VALUE`, and further values after a comma.
pub(crate) fn params(list: &ParamList) -> ArgValueCompleter {
    let list = list.clone();
    ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_str().unwrap_or_default();
        match current.split_once('=') {
            None => keys(&list, current),
            Some((key, value)) => values(&list, key, value),
        }
    })
}

fn keys(list: &ParamList, begin: &str) -> Vec<CompletionCandidate> {
    let named: Vec<&Param> = list
        .iter()
        .filter(|param| param.key.starts_with(begin))
        .collect();
    // A shell such as bash completes nothing behind `=`, so the names of values are offered with the key.
    if let [param] = named[..]
        && !param.variants.is_empty()
    {
        return values(list, &param.key, "");
    }
    let named = named.into_iter();
    let candidates = named.map(|param| {
        let help = match param.doc.is_empty() {
            true => kind_of(param),
            false => format!("{}: {}", kind_of(param), param.doc),
        };
        CompletionCandidate::new(format!("{}=", param.key)).help(Some(help.into()))
    });
    candidates.collect()
}

fn values(list: &ParamList, key: &str, written: &str) -> Vec<CompletionCandidate> {
    let Some(param) = list.get(key) else {
        return Vec::new();
    };
    let (before, begin) = match written.rsplit_once(',') {
        Some((before, begin)) => (format!("{before},"), begin),
        None => (String::new(), written),
    };
    let named = |name: &str, help: String| {
        let help = (!help.is_empty()).then(|| help.into());
        CompletionCandidate::new(format!("{key}={before}{name}")).help(help)
    };
    let variants = param
        .variants
        .iter()
        .map(|it| (it.name.clone(), it.doc.clone()));
    let mut all: Vec<(String, String)> = variants.collect();
    if let (true, Some(default)) = (all.is_empty(), &param.default) {
        all.push((as_given(default), "default".to_owned()));
    }
    let begun = all.into_iter().filter(|(name, _)| name.starts_with(begin));
    begun.map(|(name, help)| named(&name, help)).collect()
}

/// Returns the text that gives a parameter this value.
fn as_given(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Completes the profiles of the file of parameters that the command line names so far, or of that in the working directory.
pub(crate) fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let sources = ParamSources::new();
        let sources = match option("--params") {
            Some(path) => sources.file(path),
            None => sources.usual_file(),
        };
        let names = sources
            .map(|sources| sources.profiles())
            .unwrap_or_default();
        let begun = names.iter().filter(|name| begins(name, current));
        begun.map(CompletionCandidate::new).collect()
    })
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
    let place = option("--store")
        .map_or_else(Store::default_root, Ok)
        .ok()?;
    Store::open_existing(place).ok()
}

/// Returns the path that the command line gives an option so far.
fn option(name: &str) -> Option<PathBuf> {
    let mut words = std::env::args_os().skip_while(|word| word != "--");
    let mut place = None;
    while let Some(word) = words.next() {
        let value = word.to_str().and_then(|word| word.strip_prefix(name));
        if word == name {
            place = words.next().map(PathBuf::from);
        } else if let Some(path) = value.and_then(|rest| rest.strip_prefix('=')) {
            place = Some(PathBuf::from(path));
        }
    }
    place
}
