//! The sources around a stage, and how the stage is found in them.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::follow::follow;
use crate::index::Index;
use crate::item::{Item, ItemId, ItemKind};
use crate::lex;
use crate::lock::Lock;
use crate::manifest::{Manifest, code_name};
use crate::names::word;
use crate::reached::{ItemCache, Reached, ReachedCrate};
use crate::world::{Variables, World, real};

/// The sources of a package, as far as they were asked for.
///
/// Reading them once serves all stages that one process of the compiler expands.
pub struct Sources {
    folder: PathBuf,
    manifest: Manifest,
    /// The roots of the crates that may be the one that is compiled, the most likely first.
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) read: Vec<Crate>,
    /// Read when the first crate of another package is reached.
    lock: OnceCell<Lock>,
    variable: Variables,
}

/// The sources of a crate.
pub(crate) struct Crate {
    pub(crate) world: World,
    index: Index,
    known: ItemCache,
}

/// Where the compiler sees a stage.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file.
    pub file: &'a Path,
    /// The name of the function.
    pub name: &'a str,
    /// The line of that name, from 1. It tells apart stages of one file that are written in the same way, as modules that
    /// exclude each other may have; `None` if it is not known.
    pub line: Option<usize>,
}

/// A stage that was found in the sources.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub(crate) number: usize,
    pub(crate) item: ItemId,
}

impl Sources {
    /// Looks for the package of a file; `None` if there is no manifest of one.
    ///
    /// `variable` gives the variables that Cargo sets for the compiler.
    pub fn around(
        file: &Path,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Option<Self> {
        let variable: Variables = Arc::new(variable);
        let named = variable("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let above = file.ancestors().skip(1).map(Path::to_owned);
        let (folder, manifest) = named
            .into_iter()
            .chain(above)
            .find_map(|folder| Some((folder.clone(), Manifest::read(&folder)?)))?;
        let roots = roots(&manifest, &variable);
        Some(Sources {
            folder,
            manifest,
            roots,
            read: Vec::new(),
            lock: OnceCell::new(),
            variable,
        })
    }

    /// Looks for a stage by its place, and by its tokens from `fn` on, without comments, each character of an operator a
    /// token. `None` if it is not written in these sources, as when a macro makes it.
    pub fn stage(
        &mut self,
        place: &Place<'_>,
        is_same: impl Fn(&mut dyn Iterator<Item = &str>) -> bool,
    ) -> Option<Stage> {
        let file = real(place.file);
        for number in 0..self.roots.len() * 2 {
            self.read_crate(number);
            let world = &self.read[number].world;
            let is_stage = |item: &Item| {
                item.kind == ItemKind::Fn
                    && item.is_stage
                    && world.text(item.name) == place.name
                    && real(&world.files[item.file.0].path) == file
                    && {
                        let tokens = &world.files[item.file.0].tokens[item.start..item.end];
                        let tokens = || tokens.iter().skip_while(|token| !token.word(word::FN));
                        let name = tokens().nth(1);
                        let is_here = |line| name.is_some_and(|name| name.line as usize == line);
                        let mut tokens = tokens()
                            .filter(|token| token.kind != lex::TokenKind::Doc)
                            .map(|token| world.text(token.name));
                        place.line.is_none_or(is_here) && is_same(&mut tokens)
                    }
            };
            let items = || (0..world.items.len()).filter(|at| is_stage(&world.items[*at]));
            // A file may be in the library too.
            let is_compiled =
                |at: &usize| world.modules[world.items[*at].module.0].root == world.root;
            let found = items().find(is_compiled).or_else(|| items().next());
            if let Some(item) = found {
                let item = ItemId(item);
                return Some(Stage { number, item });
            }
        }
        None
    }

    /// Reads the candidate crates up to this number, unless they are read already.
    pub(crate) fn read_crate(&mut self, number: usize) {
        while number >= self.read.len() {
            // Code for tests is read only if the stage is not in the other code.
            let at = self.read.len();
            let world = World::read(
                &self.folder,
                &self.manifest,
                &self.roots[at / 2],
                at % 2 == 1,
                self.variable.clone(),
            );
            let index = Index::new(&world);
            self.read.push(Crate {
                world,
                index,
                known: ItemCache::default(),
            });
        }
    }

    /// Follows what a stage reaches, but not into the items and modules that `untracked` names in its module.
    pub fn reach(&mut self, stage: Stage, untracked: &[Vec<String>]) -> Reached {
        let Crate {
            world,
            index,
            known,
        } = &mut self.read[stage.number];
        let module = world.items[stage.item.0].module;
        let mut stops = Vec::new();
        for path in untracked {
            let names: Option<Vec<_>> = path.iter().map(|name| world.names.find(name)).collect();
            if let Some(names) = names {
                stops.extend(index.resolver.path(world, module, &names));
            }
        }
        let found = follow(world, index, stage.item, stops);
        let mut reached = Reached::new(world, known, stage.item, found);
        for ReachedCrate { name, version } in &mut reached.crates {
            *version = self
                .version(name)
                .or_else(|| self.renamed_elsewhere(stage, name));
        }
        reached
    }

    /// Looks for the version of a crate by a name that only packages by path have for it.
    fn renamed_elsewhere(&self, stage: Stage, name: &str) -> Option<String> {
        let world = &self.read[stage.number].world;
        let versions = world.renamed.iter().filter_map(|(by, given, of)| {
            let lock = self.lock.get()?;
            let by = code_name(&world.packages[by.0].name);
            (given == name).then(|| lock.version(&by, of)).flatten()
        });
        let mut all: Vec<String> = versions.collect();
        all.sort();
        all.dedup();
        (!all.is_empty()).then(|| all.join(" or "))
    }

    /// The features of the package, sorted.
    pub fn features(&self) -> &[String] {
        &self.manifest.features
    }

    /// What counts of the environment for all stages of the package, as the manifest says.
    pub fn counts(&self) -> &[String] {
        &self.manifest.counts
    }

    /// The folder of the package.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The version of a crate that the code names; `None` if `Cargo.lock` does not have it.
    pub fn version(&self, name: &str) -> Option<String> {
        let lock = self.lock.get_or_init(|| Lock::around(&self.folder));
        let mut dependencies = self.manifest.dependencies.iter();
        let renamed = dependencies.find(|it| it.renamed.as_deref() == Some(name));
        let package = renamed.map_or(name, |it| it.name.as_str());
        lock.version(&code_name(&self.manifest.name), package)
    }

    /// The crates that the code may name, with their versions as `Cargo.lock` has them: a line each. Empty if there is none.
    pub fn versions(&self) -> String {
        let lock = self.lock.get_or_init(|| Lock::around(&self.folder));
        let mut lines = lock.versions(&code_name(&self.manifest.name));
        let dependencies = self.manifest.dependencies.iter();
        let renamed = dependencies.filter_map(|dependency| dependency.renamed.as_ref());
        for name in renamed {
            if let Some(version) = self.version(name) {
                // Before the line of another crate of this name.
                lines.insert_str(0, &format!("{name} {version}\n"));
            }
        }
        lines
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("folder", &self.folder)
            .field("roots", &self.roots)
            .finish_non_exhaustive()
    }
}

/// Returns the roots of the crates of a package that may be the one that is compiled.
fn roots(manifest: &Manifest, variable: &Variables) -> Vec<PathBuf> {
    let name = variable("CARGO_CRATE_NAME");
    let is_binary = variable("CARGO_BIN_NAME").is_some();
    let lib = manifest.lib.iter().filter(|_| !is_binary);
    let lib = lib.map(|path| (manifest.lib_name.clone(), path.clone()));
    let others = manifest.roots.iter().cloned();
    let all: Vec<(String, PathBuf)> = lib.chain(others).collect();
    let named = all.iter().filter(|(root, _)| name.as_ref() == Some(root));
    let named: Vec<PathBuf> = named.map(|(_, path)| path.clone()).collect();
    match named.is_empty() {
        true => all.into_iter().map(|(_, path)| path).collect(),
        false => named,
    }
}
