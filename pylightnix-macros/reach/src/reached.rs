//! What a stage reaches, in the form that the macros use.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::breadth::{Breadth, breadth};
use crate::config::FieldKind;
use crate::follow::{Cause, Found};
use crate::item::{ItemId, ItemKind};
use crate::text;
use crate::world::{World, bytes};

/// What a stage reaches.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// The items, the stage first, the others sorted by name.
    pub items: Vec<ReachedItem>,
    /// The predicates of `cfg` whose values count, as they are in the crate of the stage.
    pub conditions: Vec<String>,
    /// The variables whose values at compile time count.
    pub variables: Vec<String>,
    /// The crates that the items name, without those whose sources are read.
    pub crates: Vec<ReachedCrate>,
    /// The files that are included.
    pub files: Vec<PathBuf>,
    /// What counts and is not seen, in words for people.
    pub unseen: Vec<String>,
    /// How much it is, if it is most of the sources.
    pub breadth: Option<Breadth>,
}

/// A crate of another package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReachedCrate {
    /// The name, as code writes it.
    pub name: String,
    /// The version; `None` if `Cargo.lock` does not have it.
    pub version: Option<String>,
}

/// Something that a stage reaches.
#[derive(Clone, Debug)]
pub struct ReachedItem {
    /// `fn`, `struct`, `field` and so on.
    pub kind: &'static str,
    /// The name that people see.
    pub name: String,
    /// What counts of it.
    pub text: String,
    /// The first 32 hex digits of the SHA-256 digest of kind and text; and of the place, if another item of this kind and name
    /// is reached.
    pub hash: String,
    /// Its file in the package and its line; empty if it has none.
    pub place: String,
    /// The number of the item that names it first.
    pub from: Option<usize>,
}

/// Predicates that have the same value in all packages of a build.
const OF_THE_TARGET: [&str; 22] = [
    "all",
    "any",
    "not",
    "unix",
    "windows",
    "wasm",
    "panic",
    "target_os",
    "target_family",
    "target_arch",
    "target_env",
    "target_abi",
    "target_vendor",
    "target_pointer_width",
    "target_endian",
    "target_feature",
    "target_has_atomic",
    "target_thread_local",
    "true",
    "false",
    "proc_macro",
    "doc",
];

/// Variables that say where something lies.
fn is_place(variable: &str) -> bool {
    variable.ends_with("_DIR")
        || variable.ends_with("_PATH")
        || variable.ends_with("_TMPDIR")
        || variable.starts_with("CARGO_BIN_EXE_")
}

impl Reached {
    pub(crate) fn new(world: &World, known: &mut ItemCache, stage: ItemId, found: Found) -> Self {
        let mut all = Listing {
            world,
            known,
            listed: Vec::new(),
        };
        all.items(stage, &found);
        all.fields(&found);
        let mut reached = Reached::default();
        for (path, cause) in &found.externals {
            let text = path.clone();
            all.add(
                "use",
                path.clone(),
                text,
                String::new(),
                Key::None,
                cause.from,
            );
            let path = path.strip_prefix("use ").unwrap_or(path);
            let name = path.split("::").next().unwrap_or(path);
            let is_rust = ["std", "core", "alloc", "proc_macro"].contains(&name);
            if !is_rust && !name.contains(' ') {
                reached.crates.push(ReachedCrate {
                    name: name.to_owned(),
                    version: None,
                });
            }
        }
        for binding in &found.bindings {
            let text = binding.clone();
            let name = binding.trim_start_matches("use ").to_owned();
            all.add("use", name, text, String::new(), Key::None, None);
        }
        for (path, cause) in &found.files {
            let folder = &world.packages[0].folder;
            let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
            let files = &mut all.known.files;
            let text = files
                .entry(path.clone())
                .or_insert_with(|| file_text(&bytes(path)));
            let text = text.clone();
            all.add(
                "file",
                name.into_owned(),
                text,
                String::new(),
                Key::None,
                cause.from,
            );
            reached.files.push(path.clone());
        }
        let (items, numbers) = all.numbered(stage);
        reached.items = items;
        reached.seen(world, &found);
        reached.breadth = breadth(world, stage, &found, &numbers);
        reached
    }

    /// Takes what is no text.
    fn seen(&mut self, world: &World, found: &Found) {
        let own = |package: usize| package == 0;
        for (condition, package) in &found.conditions {
            let words = condition.split(|char: char| !(char.is_alphanumeric() || char == '_'));
            let mut words = words.filter(|word| !word.is_empty());
            let of_target = !condition.contains("feature =")
                && !condition.contains("debug_assertions")
                && words
                    .next()
                    .is_some_and(|word| OF_THE_TARGET.contains(&word));
            if own(*package) || of_target {
                self.conditions.push(condition.clone());
            } else {
                let name = &world.packages[*package].name;
                self.unseen.push(format!("features of `{name}`"));
            }
        }
        for (variable, package) in &found.variables {
            if is_place(variable) {
                continue;
            }
            if own(*package) {
                self.variables.push(variable.clone());
            } else {
                let name = &world.packages[*package].name;
                self.unseen
                    .push(format!("the variable {variable} of `{name}`"));
            }
        }
        self.unseen.extend(found.unknown.iter().cloned());
        for list in [&mut self.conditions, &mut self.variables, &mut self.unseen] {
            list.sort();
            list.dedup();
        }
        self.crates.sort();
        self.crates.dedup();
        self.files.sort();
    }
}

/// What tells where an item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Item(ItemId),
    None,
}

/// A cache of the items and files that were listed for a stage before.
#[derive(Debug, Default)]
pub(crate) struct ItemCache {
    items: FxHashMap<ItemId, ReachedItem>,
    /// The texts that stand for files.
    files: FxHashMap<PathBuf, String>,
}

struct Listing<'a> {
    world: &'a World,
    known: &'a mut ItemCache,
    listed: Vec<(ReachedItem, Key, Option<ItemId>)>,
}

impl Listing<'_> {
    fn add(
        &mut self,
        kind: &'static str,
        name: String,
        text: String,
        place: String,
        key: Key,
        from: Option<ItemId>,
    ) {
        let item = ReachedItem {
            hash: hash(kind, &text),
            kind,
            name,
            text,
            place,
            from: None,
        };
        self.listed.push((item, key, from));
    }

    fn items(&mut self, stage: ItemId, found: &Found) {
        for (id, cause) in &found.items {
            let item = &self.world.items[id.0];
            // Of a config its fields count.
            if item.config.is_some() {
                continue;
            }
            let mut listed = match self.known.items.get(id) {
                Some(listed) => listed.clone(),
                None => {
                    let listed = listed(self.world, *id);
                    self.known.items.insert(*id, listed.clone());
                    listed
                }
            };
            if *id == stage {
                listed.kind = "stage";
                listed.hash = hash(listed.kind, &listed.text);
            }
            let from = self.through_configs(found, cause);
            self.listed.push((listed, Key::Item(*id), from));
        }
    }

    /// Configs are not listed: what they lead to is named by what names them.
    fn through_configs(&self, found: &Found, cause: &Cause) -> Option<ItemId> {
        let mut from = cause.from;
        for _ in 0..64 {
            let id = from?;
            if self.world.items[id.0].config.is_none() {
                return Some(id);
            }
            from = found.items.get(&id).and_then(|cause| cause.from);
        }
        from
    }

    fn fields(&mut self, found: &Found) {
        for (id, at) in found.fields.keys() {
            let item = &self.world.items[id.0];
            let tokens = self.world.tokens_of(*id);
            let Some(field) = item
                .config
                .as_ref()
                .and_then(|config| config.fields.get(*at))
            else {
                continue;
            };
            let ty = text::of_range(self.world, tokens, field.ty.clone(), false);
            let mut lines = Vec::new();
            for attribute in &field.attributes {
                if !text::is_ignored(tokens, attribute.clone()) {
                    let text = text::of_range(self.world, tokens, attribute.clone(), false);
                    lines.push(format!("#[{text}]"));
                }
            }
            let (name, key) = (self.world.text(field.name), &field.key);
            let config = self.world.text(item.name);
            lines.push(match name == key {
                true => format!("{config}.{name}: {ty}"),
                false => format!("{config}.{name} as {key:?}: {ty}"),
            });
            let kind = match field.kind {
                FieldKind::Artifact => "artifact",
                _ => "field",
            };
            let name = format!(
                "{}.{}",
                self.world.text(item.name),
                self.world.text(field.name)
            );
            let line = tokens.get(field.ty.start).map_or(0, |token| token.line);
            let place = format!("{}:{line}", self.world.place(item.file));
            let from = found.items.get(id).and_then(|cause| cause.from);
            self.add(kind, name, lines.join("\n"), place, Key::None, from);
        }
    }

    /// Makes the hashes of different items of the same kind and name differ by their place too: their texts could be exchanged
    /// for one another.
    fn tell_namesakes_apart(&mut self) {
        // A file may be found by any name.
        fn name(item: &ReachedItem) -> (&'static str, &str) {
            match is_file(item) {
                true => (item.kind, ""),
                false => (item.kind, &item.name),
            }
        }
        fn is_file(item: &ReachedItem) -> bool {
            item.kind == "file" || item.kind == ItemKind::Included.word()
        }
        let mut texts: FxHashMap<(&str, &str), Option<&str>> = FxHashMap::default();
        for (item, _, _) in &self.listed {
            let first = texts.entry(name(item)).or_insert(Some(&item.hash));
            if first.is_some_and(|first| first != item.hash) {
                *first = None;
            }
        }
        let is_ambiguous =
            |item: &ReachedItem| texts.get(&name(item)).is_some_and(|it| it.is_none());
        let mut hashes = Vec::new();
        for (at, (item, key, _)) in self.listed.iter().enumerate() {
            if !is_ambiguous(item) {
                continue;
            }
            let place = match key {
                _ if is_file(item) => {
                    let words: Vec<&str> = item.name.rsplit(['/', '\\']).take(2).collect();
                    Some(words.join("/"))
                }
                Key::Item(id) => {
                    let this = &self.world.items[id.0];
                    let is_unnamed = matches!(this.kind, ItemKind::Invocation | ItemKind::Impl);
                    (!is_unnamed).then(|| self.world.path_of(this.module))
                }
                Key::None => None,
            };
            let kind = place.map(|place| format!("{}\0{place}", item.kind));
            hashes.extend(kind.map(|kind| (at, hash(&kind, &item.text))));
        }
        for (at, hash) in hashes {
            self.listed[at].0.hash = hash;
        }
    }

    /// Sorts what is listed, the stage first, and numbers what names each.
    fn numbered(mut self, stage: ItemId) -> (Vec<ReachedItem>, FxHashMap<ItemId, usize>) {
        self.tell_namesakes_apart();
        self.listed.sort_by(|(one, one_key, _), (two, two_key, _)| {
            let is_other = |key: &Key| *key != Key::Item(stage);
            let one = (
                is_other(one_key),
                &one.name,
                one.kind,
                &one.text,
                &one.place,
            );
            one.cmp(&(
                is_other(two_key),
                &two.name,
                two.kind,
                &two.text,
                &two.place,
            ))
        });
        let numbers: FxHashMap<ItemId, usize> = self
            .listed
            .iter()
            .enumerate()
            .filter_map(|(at, (_, key, _))| match key {
                Key::Item(id) => Some((*id, at)),
                Key::None => None,
            })
            .collect();
        let with_from = |(mut item, _, from): (ReachedItem, Key, Option<ItemId>)| {
            item.from = from.and_then(|from| numbers.get(&from).copied());
            item
        };
        let items = self.listed.into_iter().map(with_from).collect();
        (items, numbers)
    }
}

/// Lists an item for any stage that reaches it.
fn listed(world: &World, id: ItemId) -> ReachedItem {
    let item = &world.items[id.0];
    let first = world.tokens_of(id).get(item.start);
    let line = first.map_or(0, |token| token.line);
    let (kind, text) = (item.kind.word(), text::of_item(world, id));
    ReachedItem {
        kind,
        name: text::name_of(world, item),
        hash: hash(kind, &text),
        text,
        place: format!("{}:{line}", world.place(item.file)),
        from: None,
    }
}

/// Returns the item that stands for a file.
pub(crate) fn item_of_file(path: &Path, name: String) -> ReachedItem {
    let text = file_text(&bytes(path));
    ReachedItem {
        hash: hash("file", &text),
        kind: "file",
        name,
        text,
        place: String::new(),
        from: Some(0),
    }
}

/// The text that stands for a file: what is in it, if a person would read it.
fn file_text(bytes: &[u8]) -> String {
    const LONGEST: usize = 16 * 1024;
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= LONGEST => text.to_owned(),
        _ => format!(
            "{} bytes, SHA-256 {}",
            bytes.len(),
            hex(&Sha256::digest(bytes))
        ),
    }
}

fn hash(kind: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(text.as_bytes());
    let mut hash = hex(&hash.finalize());
    hash.truncate(32);
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
