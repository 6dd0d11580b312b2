//! The structure of the library and of the command line: a module uses only modules below it (ARCHITECTURE.md, "The map"),
//! and there is no dependency cycle between files of different rooms.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Each top-level module, with the modules that it may use in addition to the helpers: first the layers, the lowest first,
/// then the modules beside them. `lens` and `plan` are two halves of one layer.
const MAY_USE: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("keys", &["config"]),
    ("store", &["config", "keys"]),
    ("lens", &["config", "store", "plan"]),
    ("plan", &["config", "store", "lens"]),
    (
        "realize",
        &["config", "keys", "store", "lens", "plan", "thread_context"],
    ),
    ("stages", &["config", "store", "lens", "plan"]),
    // Plans that ask runs.
    (
        "experiment",
        &["config", "store", "plan", "realize", "stages"],
    ),
    // These connect runs with the crate `tracing`.
    ("trace", &["config", "lens"]),
    ("thread_context", &["config", "store", "lens", "trace"]),
    // The public interface for programs.
    (
        "prelude",
        &["store", "lens", "plan", "realize", "experiment"],
    ),
    ("private", &["config", "lens", "plan", "experiment"]),
    // The interface for the command line, a crate above all of these.
    (
        "internal",
        &["config", "lens", "plan", "store", "experiment"],
    ),
    ("error", &[]),
];

/// Modules without a layer: every module may use them, and they use none.
const HELPERS: &[&str] = &["units", "visible", "as_text", "hash_key"];

/// The modules of the command line, a crate above the library. All output goes through the session.
const COMMAND_LINE: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("text", &[]),
    ("values", &[]),
    ("json", &["exit"]),
    ("out", &[]),
    ("draw", &[]),
    ("picture", &["exit"]),
    // An observer of runs, usable by any program.
    ("progress", &[]),
    ("journal", &["progress"]),
    ("complete", &["text"]),
    ("params", &["complete"]),
    ("experiment", &["exit", "params"]),
    ("table", &["session"]),
    (
        "session",
        &["exit", "experiment", "out", "progress", "table"],
    ),
    ("stages", &["exit", "experiment", "session"]),
    ("forced", &["exit", "stages"]),
    ("effects", &["exit", "experiment", "params"]),
    ("watch", &["exit", "progress", "session"]),
    ("follow", &["exit", "out", "progress", "session"]),
    ("driver", &["exit", "session"]),
    ("ssh", &["exit"]),
    ("remotes", &["exit"]),
    ("trust", &["exit"]),
    ("interrupt", &["exit", "journal"]),
    ("queue", &["exit", "session"]),
    ("depends", &["draw", "exit", "experiment", "stages", "text"]),
    ("pages", &["depends", "draw", "exit", "progress", "text"]),
    (
        "commands",
        &[
            "complete",
            "depends",
            "draw",
            "driver",
            "effects",
            "exit",
            "experiment",
            "follow",
            "forced",
            "interrupt",
            "journal",
            "json",
            "out",
            "pages",
            "params",
            "picture",
            "progress",
            "queue",
            "remotes",
            "session",
            "ssh",
            "stages",
            "table",
            "text",
            "trust",
            "values",
            "watch",
        ],
    ),
    (
        "app",
        &[
            "commands",
            "complete",
            "exit",
            "experiment",
            "params",
            "session",
        ],
    ),
];

/// Collects the paths in a file, as they are written.
#[derive(Default)]
struct Paths {
    found: Vec<Vec<String>>,
    /// Whether to skip `mod` blocks, which contain the unit tests of the file.
    without_tests: bool,
}

impl Paths {
    fn import(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.found.push(with(&name.ident)),
            syn::UseTree::Rename(name) => self.found.push(with(&name.ident)),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.import(before, tree));
            }
            syn::UseTree::Glob(_) => self.found.push(before.to_vec()),
        }
    }
}

impl Visit<'_> for Paths {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.import(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let names = path.segments.iter();
        self.found
            .push(names.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if !self.without_tests {
            visit::visit_item_mod(self, item);
        }
    }

    /// A visibility such as `pub(in crate::store)` is not a use.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}
}

/// Returns the source files below a folder.
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

/// Checks the modules in a folder. Every module may use the helpers.
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
        let mut paths = Paths::default();
        paths.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        let of_crate = paths.found.iter().filter(|path| path[0] == "crate");
        let used: BTreeSet<&String> = of_crate.filter_map(|path| path.get(1)).collect();
        for used in used {
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

/// A module, as its path below `crate`.
type Module = Vec<String>;

/// The modules of the library that have a file, and the paths in each of them.
struct Modules {
    files: BTreeMap<Module, PathBuf>,
    /// Re-exports: for a module and a name, the path behind `pub use`.
    given: BTreeMap<(Module, String), Module>,
    named: BTreeMap<Module, Vec<Module>>,
}

impl Modules {
    fn read(root: &Path) -> Self {
        let mut modules = Modules {
            files: BTreeMap::new(),
            given: BTreeMap::new(),
            named: BTreeMap::new(),
        };
        for path in files(root) {
            let inside = path.strip_prefix(root).unwrap().with_extension("");
            let names = inside.iter().map(|name| name.to_str().unwrap().to_owned());
            let mut module: Module = names.collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            if module[0] != "lib" && module[0] != "bin" {
                modules.files.insert(module, path);
            }
        }
        for (module, path) in modules.files.clone() {
            let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            for item in &parsed.items {
                if let syn::Item::Use(item) = item
                    && !matches!(item.vis, syn::Visibility::Inherited)
                {
                    let mut paths = Paths::default();
                    paths.import(&[], &item.tree);
                    let whole = paths
                        .found
                        .iter()
                        .filter_map(|path| modules.whole(&module, path));
                    for path in whole.collect::<Vec<_>>() {
                        let name = path.last().unwrap().clone();
                        modules.given.insert((module.clone(), name), path);
                    }
                }
            }
            let mut paths = Paths {
                without_tests: true,
                ..Paths::default()
            };
            paths.visit_file(&parsed);
            let whole = paths
                .found
                .iter()
                .filter_map(|path| modules.whole(&module, path));
            let whole = whole.collect();
            modules.named.insert(module, whole);
        }
        modules
    }

    /// Resolves a path in a module relative to the crate root; returns `None` if it leads out of the library.
    fn whole(&self, module: &Module, path: &[String]) -> Option<Module> {
        let is_folder = self.files[module].ends_with("mod.rs");
        let mut names = path;
        let mut from = module.clone();
        match names.first()?.as_str() {
            // `crate` alone, as in `pub use crate as library`, is not a file.
            "crate" => return Some(names[1..].to_vec()).filter(|path| !path.is_empty()),
            "self" => names = &names[1..],
            "super" => {
                while names.first().is_some_and(|name| name == "super") {
                    from.pop();
                    names = &names[1..];
                }
            }
            // A `mod.rs` names its own submodules without a prefix.
            first => {
                from.push(first.to_owned());
                if !is_folder || !self.files.contains_key(&from) {
                    return None;
                }
                from.pop();
            }
        }
        from.extend_from_slice(names);
        Some(from)
    }

    /// Returns the module that defines an item, following re-exports.
    fn definer(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        'follow: for _ in 0..8 {
            for end in (1..=path.len()).rev() {
                let module = path[..end].to_vec();
                if self.files.contains_key(&module) {
                    let name = path.get(end).cloned().unwrap_or_default();
                    match self.given.get(&(module.clone(), name)) {
                        Some(behind) => {
                            path = [behind, &path[end + 1..]].concat();
                            continue 'follow;
                        }
                        None => return Some(module),
                    }
                }
            }
            return None;
        }
        None
    }

    fn uses(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let uses = self.named.iter().map(|(module, named)| {
            let used = named.iter().filter_map(|path| self.definer(path));
            // Uses of its own submodules in a `mod.rs` are re-exports, not dependencies.
            let is_own = |used: &Module| used.starts_with(module);
            (module, used.filter(|used| !is_own(used)).collect())
        });
        uses.collect()
    }
}

/// Returns the room of a module. The two large layers have several rooms; each other module is one room, and `lens` and
/// `plan` are one room together.
fn room(module: &Module) -> String {
    match module[0].as_str() {
        "store" | "realize" => module[..module.len().min(2)].join("/"),
        "lens" | "plan" => "lens and plan".to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn no_file_is_in_a_circle_with_one_of_another_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pylightnix/src");
    let modules = Modules::read(&root);
    let uses = modules.uses();
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from.clone()];
        while let Some(module) = waiting.pop() {
            for used in &uses[&module] {
                if reached.insert(used.clone()) {
                    waiting.push(used.clone());
                }
            }
        }
        reached
    };
    let all: BTreeMap<&Module, BTreeSet<Module>> = uses
        .keys()
        .map(|module| (*module, reached(module)))
        .collect();
    let mut circles = Vec::new();
    for (module, used) in &uses {
        for back in used {
            if room(module) != room(back) && all[back].contains(*module) {
                circles.push(format!("{} uses {}", module.join("/"), back.join("/")));
            }
        }
    }
    assert!(circles.is_empty(), "in a circle: {circles:#?}");
    // A check that paths are resolved at all.
    let run: Module = ["realize", "run", "build"].map(str::to_owned).to_vec();
    let state: Module = ["realize", "run", "state"].map(str::to_owned).to_vec();
    assert!(uses[&run].contains(&state));
}
