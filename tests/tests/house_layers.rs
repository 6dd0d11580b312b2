//! The layers of the library and of the command line: a module uses those below it, and knows nothing of those above it
//! (ARCHITECTURE.md, "The map").

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Each module of the crate's root, with those that it may use beside the helpers. The layers, the lowest first, then what
/// stands beside them. `lens` and `plan` are two halves of one layer.
const MAY_USE: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("store", &["config"]),
    ("lens", &["config", "store", "plan"]),
    ("plan", &["config", "store", "lens"]),
    ("realize", &["config", "store", "lens", "plan", "around"]),
    ("stages", &["config", "store", "lens", "plan"]),
    // They tell the crate `tracing` of what runs do.
    ("trace", &["config", "lens", "realize"]),
    ("around", &["config", "store", "lens", "realize", "trace"]),
    // What programs name.
    ("prelude", &["store", "lens", "plan", "realize"]),
    ("private", &["config", "lens", "plan"]),
    // What the command line names, which is a crate above all of these.
    ("internal", &["config", "lens", "plan", "store"]),
    ("error", &[]),
];

/// What has no layer: all may use it, and it uses nothing.
const HELPERS: &[&str] = &["units", "visible", "fast_hash", "base64"];

/// The same of the command line, a crate above the library. All that is said to a person goes through the session.
const COMMAND_LINE: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("text", &[]),
    ("values", &[]),
    ("json", &["exit"]),
    ("out", &[]),
    ("draw", &[]),
    ("picture", &["exit"]),
    // An observer of runs, for any program.
    ("progress", &[]),
    ("refer", &["text"]),
    ("complete", &["text"]),
    ("experiment", &["exit"]),
    ("table", &["session"]),
    (
        "session",
        &["exit", "experiment", "out", "progress", "refer", "table"],
    ),
    ("stages", &["exit", "experiment", "session"]),
    ("watch", &["exit", "progress", "session"]),
    ("follow", &["exit", "out", "progress", "session"]),
    (
        "depends",
        &["draw", "exit", "experiment", "refer", "stages", "text"],
    ),
    (
        "commands",
        &[
            "complete",
            "depends",
            "draw",
            "exit",
            "experiment",
            "follow",
            "json",
            "out",
            "picture",
            "progress",
            "refer",
            "session",
            "stages",
            "table",
            "text",
            "values",
            "watch",
        ],
    ),
    (
        "app",
        &["commands", "complete", "exit", "experiment", "session"],
    ),
];

/// The names after `crate` in paths and imports.
#[derive(Default)]
struct Uses(BTreeSet<String>);

impl Uses {
    fn import(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            syn::UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            syn::UseTree::Rename(name) => drop(self.0.insert(name.ident.to_string())),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl Visit<'_> for Uses {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        if let syn::UseTree::Path(path) = &item.tree
            && path.ident == "crate"
        {
            self.import(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let mut names = path.segments.iter().map(|segment| &segment.ident);
        if names.next().is_some_and(|first| first == "crate")
            && let Some(name) = names.next()
        {
            self.0.insert(name.to_string());
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::store)` uses nothing.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}
}

/// The source files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn modules_of_the_library_use_those_below_them() {
    check("../pylightnix/src", MAY_USE, HELPERS);
}

#[test]
fn modules_of_the_command_line_use_those_below_them() {
    check("../pylightnix/cli/src", COMMAND_LINE, &["visible"]);
}

/// Checks the modules in a folder, of which all may use the helpers.
fn check(folder: &str, layers: &[(&str, &[&str])], helpers: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let modules: BTreeSet<&str> = (layers.iter().map(|(module, _)| *module))
        .chain(helpers.iter().copied())
        .collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files(&root) {
        let inside = path.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        if matches!(module, "lib" | "bin") {
            continue;
        }
        seen.insert(module.to_owned());
        let Some((_, may_use)) = layers.iter().find(|(known, _)| *known == module) else {
            assert!(
                helpers.contains(&module),
                "{module} has no place among the layers: say here which it has"
            );
            continue;
        };
        let mut uses = Uses::default();
        uses.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        for used in &uses.0 {
            let is_module = modules.contains(used.as_str()) && used != module;
            if is_module && !may_use.contains(&used.as_str()) && !helpers.contains(&used.as_str()) {
                wrong.push(format!("{} uses `{used}`", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "above its own layer: {wrong:#?}");
    let known: BTreeSet<String> = modules.iter().map(|module| (*module).to_owned()).collect();
    assert_eq!(seen, known, "the modules that there are");
}
