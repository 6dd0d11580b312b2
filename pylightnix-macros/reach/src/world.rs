//! The sources of a crate, of the library of its package, and of the packages that it depends on by path.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::Derive;
use crate::item::{File, FileId, Item, ItemId, ItemKind, Module, ModuleId, Package, PackageId};
use crate::lex::{Token, lex};
use crate::manifest::{Manifest, code_name};
use crate::names::{Name, Names};
use crate::parse;
use crate::resolve::Resolver;

/// Gives the variables of the environment in which the crate is compiled.
pub(crate) type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// All that is read.
pub(crate) struct World {
    pub(crate) names: Names,
    pub(crate) files: Vec<File>,
    pub(crate) items: Vec<Item>,
    pub(crate) modules: Vec<Module>,
    pub(crate) packages: Vec<Package>,
    /// The dependencies whose sources are not read and that a manifest renames: the package, the name in its code, and the
    /// name of what it depends on.
    pub(crate) renamed: Vec<(PackageId, String, String)>,
    /// The root of the crate that is compiled.
    pub(crate) root: ModuleId,
    /// Files of code that a function includes, by their paths.
    pub(crate) included: FxHashMap<PathBuf, ItemId>,
    /// The names of the macros that these sources define.
    pub(crate) own_macros: FxHashSet<Name>,
    /// Structs that derive a `Config`, which may be another library's until all modules are read.
    pub(crate) configs: Vec<(ItemId, Derive)>,
    /// Whether what is only compiled for tests counts.
    pub(crate) with_tests: bool,
    /// The variables of the environment in which the crate is compiled.
    pub(crate) variable: Variables,
}

impl World {
    /// Reads the crate with this root, in the package in `folder`.
    pub(crate) fn read(
        folder: &Path,
        manifest: &Manifest,
        root: &Path,
        with_tests: bool,
        variable: Variables,
    ) -> Self {
        let mut world = World {
            names: Names::new(),
            files: Vec::new(),
            items: Vec::new(),
            modules: Vec::new(),
            packages: Vec::new(),
            renamed: Vec::new(),
            root: ModuleId(0),
            included: FxHashMap::default(),
            own_macros: FxHashSet::default(),
            configs: Vec::new(),
            with_tests,
            variable,
        };
        let mut folders = FxHashMap::default();
        world.package(folder, manifest, Some(root), &mut folders);
        world.settle_configs();
        let macros = world
            .items
            .iter()
            .filter(|item| item.kind == ItemKind::MacroDefinition);
        world.own_macros = macros.map(|item| item.name).collect();
        world
    }

    /// Tells the configs of stages from the structs of other libraries whose derive is called `Config` too.
    fn settle_configs(&mut self) {
        let mut resolver = Resolver::default();
        for (item, derive) in std::mem::take(&mut self.configs) {
            let module = self.items[item.0].module;
            let is_ours = match derive {
                Derive::No => false,
                Derive::Certain => true,
                Derive::Path(path) => resolver.is_config(self, module, &path),
            };
            if !is_ours {
                self.items[item.0].config = None;
                continue;
            }
            // Types that the derive makes stand for the config.
            let name = self.text(self.items[item.0].name).to_owned();
            for made in ["Lens", "Outputs"] {
                let made = self.names.intern(&format!("{name}{made}"));
                self.modules[module.0]
                    .items
                    .entry(made)
                    .or_default()
                    .push(item);
            }
        }
    }

    /// Reads a package: its library, and the crate with the root `own`.
    fn package(
        &mut self,
        folder: &Path,
        manifest: &Manifest,
        own: Option<&Path>,
        folders: &mut FxHashMap<PathBuf, PackageId>,
    ) -> PackageId {
        let id = PackageId(self.packages.len());
        folders.insert(real(folder), id);
        self.packages.push(Package {
            name: manifest.name.clone(),
            folder: folder.to_owned(),
            is_proc_macro: manifest.is_proc_macro,
            macros: FxHashSet::default(),
            lib: None,
            packages: FxHashMap::default(),
            macro_crates: Vec::new(),
            externals: Vec::new(),
        });
        // First what the names of the code mean.
        let externals = ["std", "core", "alloc", "proc_macro"].map(str::to_owned);
        let mut externals: Vec<String> = externals.into();
        // A library that is not compiled for tests cannot name those of tests.
        let is_library = own.is_none() || own == manifest.lib.as_deref();
        let without_dev = is_library && !(own.is_some() && self.with_tests);
        for dependency in &manifest.dependencies {
            if dependency.is_dev && without_dev {
                continue;
            }
            // The library's own code makes no result.
            let read = dependency.folder.as_ref();
            let read = read.filter(|_| !dependency.name.starts_with("pylightnix"));
            let read = read.and_then(|folder| Some((folder, Manifest::read(folder)?)));
            let Some((folder, found)) = read else {
                if let Some(name) = &dependency.renamed {
                    let of = dependency.name.clone();
                    self.renamed.push((id, name.clone(), of));
                }
                let name = dependency.renamed.as_ref().unwrap_or(&dependency.name);
                externals.push(name.clone());
                continue;
            };
            let known = folders.get(&real(folder)).copied();
            let package = known.unwrap_or_else(|| self.package(folder, &found, None, folders));
            let name = dependency.renamed.as_ref().unwrap_or(&found.lib_name);
            let name = self.names.intern(name);
            self.packages[id.0].packages.insert(name, package);
        }
        self.packages[id.0].externals = externals
            .iter()
            .map(|name| self.names.intern(name))
            .collect();
        if let Some(lib) = &manifest.lib {
            let module = self.read_root(lib, id);
            if own.is_some() {
                self.root = module;
            }
            self.packages[id.0].lib = Some(module);
            let name = self.names.intern(&code_name(&manifest.lib_name));
            self.packages[id.0].packages.insert(name, id);
        }
        if let Some(own) = own.filter(|own| manifest.lib.as_deref() != Some(own)) {
            self.root = self.read_root(own, id);
        }
        id
    }

    fn read_root(&mut self, path: &Path, package: PackageId) -> ModuleId {
        let root = self.module(None, false, package);
        parse::file(self, path, root, true);
        root
    }

    /// Adds an empty module.
    pub(crate) fn module(
        &mut self,
        parent: Option<ModuleId>,
        is_block: bool,
        package: PackageId,
    ) -> ModuleId {
        let id = ModuleId(self.modules.len());
        self.modules.push(Module {
            parent,
            is_block,
            root: parent.map_or(id, |parent| self.modules[parent.0].root),
            package,
            items: FxHashMap::default(),
            modules: FxHashMap::default(),
            imports: Vec::new(),
            all: Vec::new(),
            has_invocations: false,
            conditions: Vec::new(),
            file: None,
        });
        id
    }

    /// Reads the tokens of a file, if it can be read.
    pub(crate) fn tokens(&mut self, path: &Path, package: PackageId) -> Option<FileId> {
        let source = read_text(path)?;
        let id = FileId(self.files.len());
        let tokens = lex(&source, &mut self.names);
        self.files.push(File {
            path: path.to_owned(),
            tokens: tokens.into(),
            package,
        });
        Some(id)
    }

    pub(crate) fn tokens_of(&self, item: ItemId) -> &[Token] {
        &self.files[self.items[item.0].file.0].tokens
    }

    /// An item as each of the modules that its file is: by `#[path]`, or by a link, one file may be several.
    pub(crate) fn twins(&self, id: ItemId) -> Vec<ItemId> {
        let item = &self.items[id.0];
        let root = self.modules[item.module.0].root;
        let path = real(&self.files[item.file.0].path);
        let is_twin = |other: &Item| {
            other.start == item.start
                && other.kind == item.kind
                && other.name == item.name
                && self.modules[other.module.0].root == root
                && real(&self.files[other.file.0].path) == path
        };
        let twins = (0..self.items.len()).filter(|at| is_twin(&self.items[*at]));
        twins.map(ItemId).collect()
    }

    pub(crate) fn shared_tokens(&self, file: FileId) -> Arc<[Token]> {
        self.files[file.0].tokens.clone()
    }

    pub(crate) fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// Returns the path of a module in its crate.
    pub(crate) fn path_of(&self, module: ModuleId) -> String {
        let mut words = Vec::new();
        let mut at = module;
        while let Some(parent) = self.modules[at.0].parent {
            let named = &self.modules[parent.0].modules;
            let name = named.iter().find(|(_, modules)| modules.contains(&at));
            words.extend(name.map(|(name, _)| self.text(*name)));
            at = parent;
        }
        let package = self.modules[module.0].package;
        words.push(match package.0 {
            0 => "crate",
            _ => &self.packages[package.0].name,
        });
        words.reverse();
        words.join("::")
    }

    /// Returns the path of a file within its package, with `/` on every system.
    pub(crate) fn place(&self, file: FileId) -> String {
        let file = &self.files[file.0];
        let folder = &self.packages[file.package.0].folder;
        let path = file.path.strip_prefix(folder).unwrap_or(&file.path);
        path.to_string_lossy().replace('\\', "/")
    }
}

/// Reads a text with the line ends of Unix, whatever Git made of them.
pub(crate) fn read_text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = match text.contains('\r') {
        true => text.replace("\r\n", "\n"),
        false => text,
    };
    Some(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Returns the bytes of an included file that count: of a text, those with the line ends of Unix.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    match read_text(path) {
        Some(text) => text.into_bytes(),
        None => fs::read(path).unwrap_or_default(),
    }
}

/// The path of a file or folder without links, or as it is if there is none.
pub(crate) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
