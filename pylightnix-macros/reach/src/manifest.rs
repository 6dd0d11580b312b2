//! What `Cargo.toml` says of a package: its crates, and the packages that it depends on.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

/// A package with its crates.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    /// The name by which code names the library.
    pub(crate) lib_name: String,
    /// The root of the library.
    pub(crate) lib: Option<PathBuf>,
    pub(crate) is_proc_macro: bool,
    /// The roots of the other crates, with their names.
    pub(crate) roots: Vec<(String, PathBuf)>,
    pub(crate) dependencies: Vec<Dependency>,
    /// The names in `[features]`, sorted.
    pub(crate) features: Vec<String>,
    /// What counts of the environment for all stages of the package: `count` in `[package.metadata.pylightnix]`.
    pub(crate) counts: Vec<String>,
}

/// A package that a package depends on.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The name by which code names it, if it is renamed.
    pub(crate) renamed: Option<String>,
    /// The name of its package, with `-` as `_`.
    pub(crate) name: String,
    /// Its folder, if it is a dependency by path.
    pub(crate) folder: Option<PathBuf>,
    /// Whether only tests, examples and benchmarks depend on it.
    pub(crate) is_dev: bool,
}

impl Manifest {
    /// Reads the manifest in a folder; `None` if there is none that describes a package.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let parsed = DeTable::parse(&text).ok()?;
        let table = parsed.get_ref();
        let package = table_in(table, "package")?;
        let name = text_in(package, "name")?.to_owned();
        let lib = table_in(table, "lib");
        let lib_name = lib.and_then(|lib| text_in(lib, "name")).unwrap_or(&name);
        let lib_path = lib.and_then(|lib| text_in(lib, "path"));
        let is_proc_macro = lib.is_some_and(|lib| {
            ["proc-macro", "proc_macro"]
                .iter()
                .any(|key| matches!(value_in(lib, key), Some(DeValue::Boolean(true))))
        });
        let lib_file = folder.join(lib_path.unwrap_or("src/lib.rs"));
        Some(Manifest {
            lib_name: code_name(lib_name),
            lib: lib_file.is_file().then_some(lib_file),
            is_proc_macro,
            roots: roots(table, folder, &name),
            dependencies: dependencies(table, folder, package),
            features: features(table),
            counts: counts(package),
            name,
        })
    }
}

/// The name of a package or crate as code writes it.
pub(crate) fn code_name(name: &str) -> String {
    name.replace('-', "_")
}

pub(crate) fn value_in<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a DeValue<'a>> {
    // The lifetime of the values is that of the text, which outlives the table.
    table.get(key).map(toml::Spanned::get_ref)
}

fn table_in<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a DeTable<'a>> {
    match value_in(table, key) {
        Some(DeValue::Table(table)) => Some(table),
        _ => None,
    }
}

pub(crate) fn text_in<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a str> {
    match value_in(table, key) {
        Some(DeValue::String(text)) => Some(text),
        _ => None,
    }
}

/// Finds the roots of the crates beside the library: those that the manifest lists, and those in the usual places.
fn roots(table: &DeTable<'_>, folder: &Path, package: &str) -> Vec<(String, PathBuf)> {
    let mut roots = Vec::new();
    for key in ["bin", "example", "test", "bench"] {
        let Some(DeValue::Array(listed)) = value_in(table, key) else {
            continue;
        };
        for target in listed.iter() {
            let DeValue::Table(target) = target.get_ref() else {
                continue;
            };
            if let (Some(name), Some(path)) = (text_in(target, "name"), text_in(target, "path")) {
                roots.push((code_name(name), folder.join(path)));
            }
        }
    }
    let main = folder.join("src/main.rs");
    if main.is_file() {
        roots.push((code_name(package), main));
    }
    for place in ["src/bin", "examples", "tests", "benches"] {
        let Ok(entries) = fs::read_dir(folder.join(place)) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            let name = code_name(name);
            if path.extension().is_some_and(|extension| extension == "rs") {
                roots.push((name, path));
            } else if path.join("main.rs").is_file() {
                roots.push((name, path.join("main.rs")));
            }
        }
    }
    roots.sort();
    roots.dedup();
    roots
}

fn counts(package: &DeTable<'_>) -> Vec<String> {
    let ours = table_in(package, "metadata").and_then(|all| table_in(all, "pylightnix"));
    let listed = match ours.and_then(|ours| value_in(ours, "count")) {
        Some(DeValue::Array(listed)) => listed,
        _ => return Vec::new(),
    };
    let texts = listed.iter().map(|value| match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        // The macro says what may be here.
        _ => "?".to_owned(),
    });
    texts.collect()
}

fn features(table: &DeTable<'_>) -> Vec<String> {
    let listed = table_in(table, "features").into_iter();
    let names = listed.flat_map(|features| features.iter());
    let mut names: Vec<String> = names.map(|(name, _)| name.get_ref().to_string()).collect();
    names.sort();
    names
}

fn dependencies(table: &DeTable<'_>, folder: &Path, package: &DeTable<'_>) -> Vec<Dependency> {
    let mut tables = vec![table];
    if let Some(targets) = table_in(table, "target") {
        tables.extend(
            targets
                .iter()
                .filter_map(|(_, target)| match target.get_ref() {
                    DeValue::Table(target) => Some(target),
                    _ => None,
                }),
        );
    }
    // Read when the first dependency asks for it.
    let mut workspace = None;
    let mut all = Vec::new();
    for table in tables {
        for key in ["dependencies", "dev-dependencies", "dev_dependencies"] {
            let Some(listed) = table_in(table, key) else {
                continue;
            };
            for (name, value) in listed.iter() {
                let name: &str = name.get_ref();
                let is_dev = key.starts_with("dev");
                all.push(match value.get_ref() {
                    DeValue::Table(given) if is_inherited(given) => {
                        let workspace =
                            workspace.get_or_insert_with(|| Workspace::around(folder, package));
                        workspace.dependency(name, is_dev)
                    }
                    DeValue::Table(given) => dependency(name, given, folder, is_dev),
                    _ => plain(name, is_dev),
                });
            }
        }
    }
    if all.iter().any(|dependency| dependency.folder.is_none()) {
        let workspace = workspace.get_or_insert_with(|| Workspace::around(folder, package));
        for dependency in all.iter_mut().filter(|it| it.folder.is_none()) {
            let mut patched = workspace.patched.iter();
            let patch = patched.find(|patch| patch.name == dependency.name);
            dependency.folder = patch.and_then(|patch| patch.folder.clone());
        }
    }
    all
}

fn is_inherited(given: &DeTable<'_>) -> bool {
    matches!(value_in(given, "workspace"), Some(DeValue::Boolean(true)))
}

fn plain(name: &str, is_dev: bool) -> Dependency {
    Dependency {
        renamed: None,
        name: code_name(name),
        folder: None,
        is_dev,
    }
}

/// Reads a dependency that is given as a table, with paths in `folder`.
fn dependency(name: &str, given: &DeTable<'_>, folder: &Path, is_dev: bool) -> Dependency {
    let package = text_in(given, "package");
    Dependency {
        renamed: package.map(|_| code_name(name)),
        name: code_name(package.unwrap_or(name)),
        folder: text_in(given, "path").map(|path| folder.join(path)),
        is_dev,
    }
}

/// What the manifest of the workspace that a package is in says of dependencies.
#[derive(Default)]
struct Workspace {
    /// Those that packages inherit, by their names: `[workspace.dependencies]`.
    inherited: Vec<(String, Dependency)>,
    /// The packages that take the place of those of a registry: `[patch.crates-io]`.
    patched: Vec<Dependency>,
}

impl Workspace {
    fn around(folder: &Path, package: &DeTable<'_>) -> Self {
        let named = text_in(package, "workspace").map(|path| folder.join(path));
        let above = folder.ancestors().map(Path::to_owned);
        let mut folders = named.into_iter().chain(above);
        let found = folders.find_map(|folder| Workspace::read(&folder, true));
        // A package alone is a workspace.
        found
            .or_else(|| Workspace::read(folder, false))
            .unwrap_or_default()
    }

    /// Reads the manifest in a folder; `None` if there is none, or if it has to be that of a workspace and is not.
    fn read(folder: &Path, has_to_be: bool) -> Option<Self> {
        let text = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        let parsed = DeTable::parse(&text).ok()?;
        let table = parsed.get_ref();
        let workspace = table_in(table, "workspace");
        if has_to_be && workspace.is_none() {
            return None;
        }
        let listed = |listed: &DeTable<'_>| -> Vec<(String, Dependency)> {
            let given = listed.iter().filter_map(|(name, given)| {
                let DeValue::Table(given) = given.get_ref() else {
                    return None;
                };
                let name = name.get_ref();
                Some((name.to_string(), dependency(name, given, folder, false)))
            });
            given.collect()
        };
        let inherited = workspace.and_then(|workspace| table_in(workspace, "dependencies"));
        let registries = table_in(table, "patch")
            .into_iter()
            .flat_map(|it| it.iter());
        let patched = registries.filter_map(|(_, registry)| match registry.get_ref() {
            DeValue::Table(registry) => Some(listed(registry)),
            _ => None,
        });
        let patched = patched.flatten().map(|(_, dependency)| dependency);
        Some(Workspace {
            inherited: inherited.map(listed).unwrap_or_default(),
            patched: patched.collect(),
        })
    }

    fn dependency(&self, name: &str, is_dev: bool) -> Dependency {
        let given = self.inherited.iter().find(|(given, _)| given == name);
        match given {
            Some((_, given)) => Dependency {
                is_dev,
                ..given.clone()
            },
            None => plain(name, is_dev),
        }
    }
}
