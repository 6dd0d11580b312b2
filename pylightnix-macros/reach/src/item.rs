//! What a source file consists of: items, modules and imports.

use std::path::PathBuf;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::Config;
use crate::lex::Token;
use crate::names::Name;

/// The number of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ItemId(pub(crate) usize);

/// The number of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ModuleId(pub(crate) usize);

/// The number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) usize);

/// The number of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PackageId(pub(crate) usize);

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ItemKind {
    Fn,
    Const,
    Static,
    Alias,
    Struct,
    Enum,
    Union,
    Trait,
    Impl,
    /// `macro_rules! name`, or `macro name`.
    MacroDefinition,
    /// An invocation of a macro where an item can be.
    Invocation,
    /// A file of code that is included in a body.
    Included,
}

impl ItemKind {
    pub(crate) fn is_type(self) -> bool {
        matches!(self, ItemKind::Struct | ItemKind::Enum | ItemKind::Union)
    }

    /// The word that a person reads: one, as stores keep it before a space.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ItemKind::Fn => "fn",
            ItemKind::Const => "const",
            ItemKind::Static => "static",
            ItemKind::Alias => "type",
            ItemKind::Struct => "struct",
            ItemKind::Enum => "enum",
            ItemKind::Union => "union",
            ItemKind::Trait => "trait",
            ItemKind::Impl => "impl",
            ItemKind::MacroDefinition => "macro",
            ItemKind::Invocation => "invocation",
            ItemKind::Included => "included",
        }
    }
}

/// An item, or a member of an `impl` or a trait.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) kind: ItemKind,
    pub(crate) name: Name,
    pub(crate) module: ModuleId,
    pub(crate) file: FileId,
    /// The first token, which may begin an attribute.
    pub(crate) start: usize,
    /// The token after the last one.
    pub(crate) end: usize,
    /// The first token of the body: the `{` of a function, a trait or an `impl`, the bracket of an invocation.
    pub(crate) body: usize,
    /// The `impl` or trait that it is a member of.
    pub(crate) parent: Option<ItemId>,
    /// The item that it is in the body of.
    pub(crate) within: Option<ItemId>,
    pub(crate) members: Vec<ItemId>,
    /// The fields of a struct that is the config of a stage.
    pub(crate) config: Option<Config>,
    /// Whether it has the attribute `#[stage]`.
    pub(crate) is_stage: bool,
}

/// One name of a `use`.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<Name>,
    /// The name in this module; `None` for a glob.
    pub(crate) name: Option<Name>,
    /// The predicates of its `#[cfg(..)]`.
    pub(crate) conditions: Vec<String>,
    /// Whether other modules than those inside this one may see the name.
    pub(crate) is_pub: bool,
}

/// A module, or a block of a function that has items.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) parent: Option<ModuleId>,
    /// Whether names that it does not have are looked up in the parent, as in a block.
    pub(crate) is_block: bool,
    pub(crate) root: ModuleId,
    pub(crate) package: PackageId,
    pub(crate) items: FxHashMap<Name, Vec<ItemId>>,
    pub(crate) modules: FxHashMap<Name, Vec<ModuleId>>,
    pub(crate) imports: Vec<Import>,
    /// All items, without members.
    pub(crate) all: Vec<ItemId>,
    /// Whether it invokes macros where items can be.
    pub(crate) has_invocations: bool,
    /// The predicates of its `#[cfg(..)]`.
    pub(crate) conditions: Vec<String>,
    /// Its file, if it is declared by `mod name;`.
    pub(crate) file: Option<PathBuf>,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) tokens: Arc<[Token]>,
    pub(crate) package: PackageId,
}

/// A package whose sources are read.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) is_proc_macro: bool,
    /// The names of the procedural macros that it defines.
    pub(crate) macros: FxHashSet<Name>,
    /// The root module of its library.
    pub(crate) lib: Option<ModuleId>,
    /// The packages whose sources are read, by the names that its code has for them.
    pub(crate) packages: FxHashMap<Name, PackageId>,
    /// The crates whose macros all of its modules have: `#[macro_use] extern crate name`.
    pub(crate) macro_crates: Vec<Name>,
    /// The names of all other crates that it can name.
    pub(crate) externals: Vec<Name>,
}
