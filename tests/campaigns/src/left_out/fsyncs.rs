//! Skips each fsync of each operation that acknowledges something. The [`audit`](crate::audit) must detect it.

use pylightnix::prelude::Result;
use std::fs;
use std::process::Command;

use crate::actor;
use crate::audit::{ONE_THREAD, Places, TRACED, audit, fsyncs};
use crate::figures::Figures;
use crate::scene::Scene;
use crate::syscalls::{Operation, operation};
use crate::{Options, unable};
use std::collections::BTreeMap;

/// The operations that acknowledge that something is durable.
const TELLING: &[&str] = &[
    "publish",
    "publish again",
    "publish another",
    "carry",
    "make a store",
    "realize",
    "pack",
    "unpack",
    "copy",
    "link",
    "root",
    "repair",
];

/// The paths that are synced twice in a run, where one sync is enough.
const TWICE: &[(&str, &str)] = &[
    // For each existing derivation. Nothing made from it is published or acknowledged before the last sync, but the audit
    // cannot know that.
    ("unpack", "/store/store-v1"),
    ("copy", "/store/store-v1"),
    ("carry", "/store/store-v1"),
    // For the added build record, and for the publication itself.
    ("publish again", "-garbage-0"),
    ("publish again", "-garbage-1"),
];

/// The fsyncs that are not necessary.
const NEEDLESS: &[(&str, &str)] = &[
    // A damaged object that reappears is quarantined again.
    ("repair", "-garbage-2"),
];

/// Returns whether an audit cannot detect that this fsync is skipped; `again` means that the path is synced more than once.
fn is_needless(operation: &Operation, path: &str, again: bool) -> bool {
    let is_in = |list: &[(&str, &str)]| {
        list.iter()
            .any(|(of, end)| *of == operation.name && path.ends_with(end))
    };
    is_in(NEEDLESS) || again && is_in(TWICE)
}

/// Returns a path without the names that are fresh in every run.
pub(super) fn settled(path: &str) -> String {
    let is_fresh = |part: &str| part.len() >= 36 && part.matches('-').count() >= 4;
    let parts = path.split('/');
    let parts: Vec<&str> = parts
        .map(|part| if is_fresh(part) { "*" } else { part })
        .collect();
    parts.join("/")
}

/// Returns whether this line of the trace is a skipped fsync of such a path.
fn left_out(line: &str, path: &str) -> bool {
    let synced = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    line.contains("(INJECTED)")
        && synced.is_some_and(|(synced, _)| settled(synced) == settled(path))
}

/// Runs the campaign; a count limits the number of skipped fsyncs, spread over all.
///
/// # Errors
/// Fails if an operation fails unexpectedly.
pub(super) fn run(options: &Options, scene: &Scene) -> Result<Figures> {
    let traced =
        |operation: &Operation, inject: Option<&str>| traced(options, scene, operation, inject);
    let mut figures = Figures::default();
    let mut rounds = Vec::new();
    for name in TELLING.iter().filter(|name| options.takes(name)) {
        let operation = operation(name)?;
        let (whole, fsyncs) = traced(operation, None)?;
        for why in whole {
            figures.violations.push(format!("{name}: {why}"));
        }
        figures.rounds += 1;
        figures.count("with nothing left out");
        rounds.extend(fsyncs.into_iter().map(|(at, path)| (operation, at, path)));
    }
    let total = rounds.len();
    let count = options.count.unwrap_or(total).min(total);
    for at in 0..count {
        let (operation, when, path) = &rounds[at * total / count];
        let again = rounds
            .iter()
            .filter(|(of, _, other)| of.name == operation.name && other == path);
        let again = again.count() > 1;
        let inject = format!("inject=fsync:retval=0:when={when}");
        let (noticed, _) = traced(operation, Some(&inject))?;
        figures.rounds += 1;
        let trace = fs::read_to_string(scene.path("trace"))?;
        let met = trace.lines().any(|line| left_out(line, path));
        if !met {
            figures.violations.push(format!(
                "{}: another fsync was left out than the one of {path}",
                operation.name
            ));
        } else if noticed.is_empty() && is_needless(operation, path, again) {
            println!("{}: an fsync of {path} left out: not seen", operation.name);
            figures.count(format!(
                "{}: an fsync left out that this audit cannot see",
                operation.name
            ));
        } else if noticed.is_empty() {
            let why = format!(
                "{}: nobody notices that fsync {when}, of {path}, is left out",
                operation.name
            );
            eprintln!("{why}");
            figures.violations.push(why);
        } else {
            figures.count(format!("{}: an fsync left out, noticed", operation.name));
        }
    }
    Ok(figures)
}

/// Runs an operation and audits it; returns the violations and the fsyncs.
fn traced(
    options: &Options,
    scene: &Scene,
    operation: &Operation,
    inject: Option<&str>,
) -> Result<(Vec<String>, BTreeMap<usize, String>)> {
    scene.reset()?;
    let log = scene.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-s", "200", "-e", TRACED]);
    command.args(["-e", ONE_THREAD]);
    if let Some(inject) = inject {
        command.args(["-e", inject]);
    }
    command
        .arg("-o")
        .arg(&log)
        .arg(&options.program)
        .arg("actor");
    let ended = actor::finish(command.args(operation.arguments(scene)))?;
    if !ended.is_good() {
        return Err(unable(format!("{}: {ended:?}", operation.name)));
    }
    let trace = fs::read_to_string(&log)?;
    let text = |name: &str| scene.text(name);
    let folder = text("fresh").trim_end_matches("/fresh").to_owned();
    let mut places = Places {
        // In a new store, the names that identify it as one, and the locks; outside, links and archives.
        names: [text("fresh"), text("fresh/locks"), folder].to_vec(),
        ..Places::default()
    };
    places.objects = ["store", "fresh", "broken"]
        .map(|store| text(&format!("{store}/store-v1")))
        .to_vec();
    places.marks = vec![text("fresh/format.json")];
    places
        .visible
        .extend([text("fresh/format.json"), text("new.zip")]);
    for store in ["store", "fresh", "broken"] {
        for folder in ["store-v1", "roots", "code"] {
            places.visible.push(text(&format!("{store}/{folder}")));
        }
    }
    // These operations acknowledge existing objects, which another process may not have synced yet.
    let there = match operation.name {
        "publish again" | "publish another" => &scene.garbage[..],
        "unpack" | "copy" => &scene.kept[..],
        "link" | "root" => &scene.garbage[1..2],
        _ => &[],
    };
    places.others = (there.iter())
        .map(|rref| text(&format!("store/store-v1/{}", rref.dref().folder())))
        .collect();
    if !there.is_empty() {
        places.others.push(text("store/store-v1"));
    }
    Ok((audit(&trace, &places), fsyncs(&trace, &places)))
}
