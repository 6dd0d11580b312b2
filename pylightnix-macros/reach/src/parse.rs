//! Finds the items of source files, and loads the files of their modules.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config;
use crate::item::{FileId, Import, Item, ItemId, ItemKind, ModuleId};
use crate::lex::{self, Token};
use crate::names::{Name, word};
use crate::strings;
use crate::text;
use crate::tokens::{attributes, imports, string_value};
use crate::world::{World, real};

/// Reads a file into a module. `owns_folder` says that its modules lie beside it, as with `mod.rs`.
pub(crate) fn file(world: &mut World, path: &Path, module: ModuleId, owns_folder: bool) {
    // A file that includes itself, or is a module of itself by a link, ends here.
    let depth = std::iter::successors(Some(module), |id| world.modules[id.0].parent).count();
    if depth > 64 {
        return;
    }
    let package = world.modules[module.0].package;
    let Some(file) = world.tokens(path, package) else {
        return;
    };
    let tokens = world.shared_tokens(file);
    included(world, file, module, &tokens);
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    let folder = match owns_folder {
        true => beside.clone(),
        false => path.with_extension(""),
    };
    let end = tokens.len();
    let mut reader = Reader {
        world,
        tokens,
        file,
        module,
        parent: None,
        within: None,
        folder,
        beside,
        in_block: false,
    };
    reader.items(0..end);
}

/// Reads the files of code that functions of a file include.
fn included(world: &mut World, file: FileId, module: ModuleId, tokens: &[Token]) {
    for at in 0..tokens.len() {
        if !tokens[at].word(word::INCLUDE) || !tokens.get(at + 1).is_some_and(|it| it.is(b'!')) {
            continue;
        }
        let Some(open) = tokens.get(at + 2).filter(|token| token.is_open()) else {
            continue;
        };
        let named = strings::files_named(world, file, at + 3..open.mate);
        for path in named.unwrap_or_default() {
            let path = real(&path);
            if world.included.contains_key(&path) {
                continue;
            }
            let package = world.files[file.0].package;
            let Some(read) = world.tokens(&path, package) else {
                continue;
            };
            let tokens = world.shared_tokens(read);
            let id = ItemId(world.items.len());
            world.items.push(Item {
                kind: ItemKind::Included,
                name: word::INCLUDE,
                module,
                file: read,
                start: 0,
                end: tokens.len(),
                body: 0,
                parent: None,
                within: None,
                members: Vec::new(),
                config: None,
                is_stage: false,
            });
            world.included.insert(path, id);
            included(world, read, module, &tokens);
        }
    }
}

struct Reader<'w> {
    world: &'w mut World,
    tokens: Arc<[Token]>,
    file: FileId,
    module: ModuleId,
    /// The `impl` or trait whose members are read.
    parent: Option<ItemId>,
    /// The item whose body is read.
    within: Option<ItemId>,
    /// Where the files of modules lie.
    folder: PathBuf,
    /// Where `#[path]` begins.
    beside: PathBuf,
    /// Whether what is read is a block, which has statements among its items.
    in_block: bool,
}

/// What the attributes of an item say.
#[derive(Default)]
struct ItemAttributes {
    is_test: bool,
    is_stage: bool,
    /// `path = ".."`
    path: Option<String>,
    /// The paths that hold under a condition.
    conditional_paths: Vec<String>,
    attributes: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn word(&self, at: usize, end: usize) -> Option<Name> {
        let token = self
            .tokens
            .get(at)
            .filter(|token| at < end && token.is_word())?;
        Some(token.name)
    }

    fn is(&self, at: usize, end: usize, name: Name) -> bool {
        self.word(at, end) == Some(name)
    }

    fn opens(&self, at: usize, bracket: u8) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.opens(bracket))
    }

    fn items(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            at = self.item(at, range.end).max(at + 1);
        }
    }

    /// Reads the item at `start`, and returns the index after it.
    fn item(&mut self, start: usize, end: usize) -> usize {
        if let Some(inner) = self.inner_attribute(start) {
            // Of the module, not of the item after it.
            self.conditions(std::slice::from_ref(&inner));
            return inner.end + 1;
        }
        let (attrs, mut at) = attributes(&self.tokens, start, end);
        let marks = self.marks(attrs);
        let is_pub = self.is(at, end, word::PUB);
        if is_pub {
            at += 1;
            if self.opens(at, b'(') {
                at = self.tokens[at].mate + 1;
            }
        }
        at = self.qualifiers(at, end);
        let Some(token) = self.tokens.get(at).filter(|_| at < end).copied() else {
            return end;
        };
        if !token.is_word() {
            return if token.is_open() {
                token.mate + 1
            } else {
                at + 1
            };
        }
        let next = self.word(at + 1, end);
        match token.name {
            word::FN => self.function(start, at, end, &marks),
            word::CONST | word::TYPE => {
                let kind = match token.name {
                    word::CONST => ItemKind::Const,
                    _ => ItemKind::Alias,
                };
                let after = self.semicolon(at, end);
                let id = self.add(kind, next, start..after, after, &marks);
                self.bodies(at + 1..after, id);
                after
            }
            word::STATIC => {
                let name = match next {
                    Some(word::MUT) => self.word(at + 2, end),
                    next => next,
                };
                let after = self.semicolon(at, end);
                let id = self.add(ItemKind::Static, name, start..after, after, &marks);
                self.bodies(at + 1..after, id);
                after
            }
            word::STRUCT | word::ENUM => self.type_definition(start, at, end, &marks),
            word::UNION if next.is_some() => self.type_definition(start, at, end, &marks),
            word::TRAIT | word::IMPL => self.members(start, at, end, &marks),
            word::MOD => self.submodule(at, end, &marks),
            word::USE => {
                let after = self.semicolon(at, end);
                if !marks.is_test && after > at + 1 {
                    let conditions = self.conditions_of(&marks.attributes);
                    let mut found = imports(&self.tokens, at + 1..after - 1);
                    for import in &mut found {
                        import.conditions.clone_from(&conditions);
                        import.is_pub = is_pub;
                    }
                    self.world.modules[self.module.0].imports.extend(found);
                }
                after
            }
            word::EXTERN => self.external(at, end, is_pub, &marks),
            word::MACRO_RULES if self.tokens.get(at + 1).is_some_and(|it| it.is(b'!')) => {
                self.macro_definition(start, at + 2, end, &marks)
            }
            word::MACRO if next.is_some() => self.macro_definition(start, at + 1, end, &marks),
            _ => self.invocation(start, at, end, &marks),
        }
    }

    fn inner_attribute(&self, at: usize) -> Option<Range<usize>> {
        match self.tokens.get(at..at + 3)? {
            [hash, bang, open] if hash.is(b'#') && bang.is(b'!') && open.opens(b'[') => {
                Some(at + 3..open.mate)
            }
            _ => None,
        }
    }

    /// Adds the predicates of attributes to the module.
    fn conditions(&mut self, attrs: &[Range<usize>]) {
        let found = self.conditions_of(attrs);
        self.world.modules[self.module.0].conditions.extend(found);
    }

    fn conditions_of(&self, attrs: &[Range<usize>]) -> Vec<String> {
        let of = |attr: &Range<usize>| text::conditions(self.world, &self.tokens, attr.clone());
        attrs.iter().flat_map(of).collect()
    }

    fn marks(&self, attrs: Vec<Range<usize>>) -> ItemAttributes {
        let mut marks = ItemAttributes::default();
        let with_tests = self.world.with_tests;
        for attr in &attrs {
            let words = || {
                self.tokens[attr.clone()]
                    .iter()
                    .filter(|token| token.is_word())
            };
            let has = |name| words().any(|token| token.name == name);
            // The last word of the path: `#[tokio::test]`.
            let path_end = (attr.start..attr.end)
                .find(|at| !(self.tokens[*at].is_word() || self.tokens[*at].is(b':')));
            let last = self.tokens[attr.start..path_end.unwrap_or(attr.end)]
                .iter()
                .rfind(|token| token.is_word())
                .map(|token| token.name);
            match last {
                Some(word::TEST | word::TEST_CASE) => marks.is_test = !with_tests,
                Some(word::STAGE) => marks.is_stage = true,
                Some(word::CFG) if has(word::TEST) => {
                    let is_only = !has(word::NOT) && !has(word::ANY);
                    marks.is_test |= is_only && !with_tests;
                }
                Some(word::PATH | word::CFG_ATTR) => {
                    let path = self.value(attr.clone(), word::PATH);
                    match last {
                        Some(word::PATH) => marks.path = path.or(marks.path),
                        _ => marks.conditional_paths.extend(path),
                    }
                }
                _ => {}
            }
        }
        marks.attributes = attrs;
        marks
    }

    /// The text of `key = ".."` in an attribute.
    fn value(&self, mut attr: Range<usize>, name: Name) -> Option<String> {
        attr.find_map(|at| match self.tokens.get(at..at + 3)? {
            [key, equals, text]
                if key.word(name) && equals.is(b'=') && text.kind == lex::TokenKind::Text =>
            {
                string_value(self.world.text(text.name))
            }
            _ => None,
        })
    }

    /// Skips the words before `fn`, `trait` and `impl`.
    fn qualifiers(&self, mut at: usize, end: usize) -> usize {
        loop {
            let Some(name) = self.word(at, end) else {
                return at;
            };
            let next = self.word(at + 1, end);
            let is_text = |at| {
                self.tokens
                    .get(at)
                    .is_some_and(|it: &Token| it.kind == lex::TokenKind::Text)
            };
            match name {
                word::DEFAULT | word::ASYNC | word::UNSAFE | word::AUTO | word::SAFE
                    if next.is_some() => {}
                word::CONST
                    if matches!(
                        next,
                        Some(
                            word::FN
                                | word::ASYNC
                                | word::UNSAFE
                                | word::EXTERN
                                | word::TRAIT
                                | word::IMPL
                        )
                    ) => {}
                word::EXTERN if next == Some(word::FN) => {}
                word::EXTERN if is_text(at + 1) && self.is(at + 2, end, word::FN) => at += 1,
                _ => return at,
            }
            at += 1;
        }
    }

    fn is_semicolon(&self, at: usize, end: usize) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| at < end && token.is(b';'))
    }

    /// Returns the index after the next `;`.
    fn semicolon(&self, mut at: usize, end: usize) -> usize {
        while at < end {
            let token = self.tokens[at];
            if token.is_open() {
                at = token.mate.max(at);
            } else if token.is(b';') {
                return at + 1;
            }
            at += 1;
        }
        end
    }

    /// Returns the index of the `{` or `;` that ends the head of an item, and the index after the item.
    fn body(&self, mut at: usize, end: usize) -> (usize, usize) {
        while at < end {
            let token = self.tokens[at];
            if token.opens(b'{') {
                return (at, token.mate + 1);
            }
            if token.is(b';') {
                return (at, at + 1);
            }
            if token.is_open() {
                at = token.mate.max(at);
            }
            at += 1;
        }
        (end, end)
    }

    fn add(
        &mut self,
        kind: ItemKind,
        name: Option<Name>,
        tokens: Range<usize>,
        body: usize,
        marks: &ItemAttributes,
    ) -> Option<ItemId> {
        let name = name.filter(|_| !marks.is_test)?;
        let id = ItemId(self.world.items.len());
        self.world.items.push(Item {
            kind,
            name,
            module: self.module,
            file: self.file,
            start: tokens.start,
            end: tokens.end,
            body,
            parent: self.parent,
            within: self.within,
            members: Vec::new(),
            config: None,
            is_stage: marks.is_stage,
        });
        if let Some(parent) = self.parent {
            self.world.items[parent.0].members.push(id);
            return Some(id);
        }
        let module = &mut self.world.modules[self.module.0];
        module.all.push(id);
        match kind {
            ItemKind::Invocation => module.has_invocations = true,
            ItemKind::Impl => {}
            _ => module.items.entry(name).or_default().push(id),
        }
        Some(id)
    }

    fn function(&mut self, start: usize, at: usize, end: usize, marks: &ItemAttributes) -> usize {
        let (body, after) = self.body(at, end);
        let name = self.word(at + 1, end);
        let id = self.add(ItemKind::Fn, name, start..after, body, marks);
        self.bodies(at + 1..after, id);
        if let Some(name) = name {
            self.procedural_macros(name, &marks.attributes);
        }
        after
    }

    /// Notes the names of the macros that a function defines, if its attributes say so.
    fn procedural_macros(&mut self, name: Name, attrs: &[Range<usize>]) {
        let package = self.world.modules[self.module.0].package;
        for attr in attrs {
            let tokens = &self.tokens[attr.clone()];
            let macros = &mut self.world.packages[package.0].macros;
            match tokens.first().map(|token| token.name) {
                Some(word::PROC_MACRO | word::PROC_MACRO_ATTRIBUTE) => {
                    macros.insert(name);
                }
                Some(word::PROC_MACRO_DERIVE) => {
                    let words = tokens.iter().skip(1).filter(|token| token.is_word());
                    macros.extend(words.map(|token| token.name));
                }
                _ => {}
            }
        }
    }

    /// Looks into the bodies in an item: an `impl` in one holds everywhere, and a block with a stage is a module.
    fn bodies(&mut self, range: Range<usize>, owner: Option<ItemId>) {
        if owner.is_none() {
            return;
        }
        let outer = std::mem::replace(&mut self.within, owner);
        let mut braces = Vec::new();
        let mut blocks: Vec<usize> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let token = self.tokens[at];
            let before = self.tokens[at - 1];
            let starts_statement = before.opens(b'{')
                || matches!(
                    before.kind,
                    lex::TokenKind::Close(b'}' | b']') | lex::TokenKind::Doc
                )
                || before.is(b';')
                || before.word(word::UNSAFE);
            if token.opens(b'{') {
                braces.push(at);
            } else if token.kind == lex::TokenKind::Close(b'}') {
                braces.pop();
            } else if token.word(word::IMPL) && starts_statement {
                let (body, after) = self.body(at, range.end);
                if self.opens(body, b'{') && !self.is_quoted(at..body) {
                    let parent = self.parent.take();
                    self.item(at, after);
                    self.parent = parent;
                    at = after;
                    continue;
                }
            } else if token.is(b'#') && self.opens(at + 1, b'[') {
                let (attrs, _) = attributes(&self.tokens, at, range.end);
                if self.marks(attrs).is_stage {
                    let block = braces.last().copied().unwrap_or(range.start - 1);
                    if !blocks.contains(&block) {
                        blocks.push(block);
                    }
                }
            }
            at += 1;
        }
        for block in blocks {
            // A block within one that is read already is found by reading that one.
            let mate = self.tokens[block].mate;
            let package = self.world.modules[self.module.0].package;
            let module = self.world.module(Some(self.module), true, package);
            let outer = (self.module, self.parent.take(), self.in_block);
            (self.module, self.in_block) = (module, true);
            self.items(block + 1..mate);
            (self.module, self.parent, self.in_block) = outer;
        }
        self.within = outer;
    }

    /// Returns whether a macro like `quote!` puts something into these tokens: `#name` is no code.
    fn is_quoted(&self, range: Range<usize>) -> bool {
        let pairs = self.tokens[range].windows(2);
        let mut marks = pairs.filter(|pair| pair[0].is(b'#'));
        marks.any(|pair| pair[1].is_word())
    }

    fn type_definition(
        &mut self,
        start: usize,
        at: usize,
        end: usize,
        marks: &ItemAttributes,
    ) -> usize {
        let kind = match self.tokens[at].name {
            word::STRUCT => ItemKind::Struct,
            word::ENUM => ItemKind::Enum,
            _ => ItemKind::Union,
        };
        let (body, after) = self.body(at, end);
        let name = self.word(at + 1, end);
        let Some(id) = self.add(kind, name, start..after, after, marks) else {
            return after;
        };
        self.bodies(at + 1..after, Some(id));
        if kind == ItemKind::Struct && body < end {
            let derive = config::derive(&self.tokens, &marks.attributes, body);
            if !matches!(derive, config::Derive::No)
                && let Some(fields) = config::fields(&self.tokens, body, &self.world.names)
            {
                self.world.items[id.0].config = Some(fields);
                self.world.configs.push((id, derive));
            }
        }
        after
    }

    fn members(&mut self, start: usize, at: usize, end: usize, marks: &ItemAttributes) -> usize {
        let (body, after) = self.body(at, end);
        let (kind, name) = match self.tokens[at].name {
            word::TRAIT => (ItemKind::Trait, self.word(at + 1, end)),
            _ => (ItemKind::Impl, Some(word::IMPL)),
        };
        let outer = self.parent.take();
        let id = self.add(kind, name, start..after, body, marks);
        if id.is_some() && self.opens(body, b'{') {
            self.parent = id;
            self.items(body + 1..self.tokens[body].mate);
        }
        self.parent = outer;
        after
    }

    fn submodule(&mut self, at: usize, end: usize, marks: &ItemAttributes) -> usize {
        let (body, after) = self.body(at, end);
        let Some(name) = self.word(at + 1, end).filter(|_| !marks.is_test) else {
            return after;
        };
        let text = self.world.text(name).trim_start_matches("r#").to_owned();
        if self.opens(body, b'{') {
            let module = self.add_module(name, marks);
            let inner = match &marks.path {
                Some(path) => self.beside.join(path),
                None => self.folder.join(&text),
            };
            let outer = (
                self.module,
                std::mem::replace(&mut self.folder, inner.clone()),
                std::mem::replace(&mut self.beside, inner),
                std::mem::replace(&mut self.in_block, false),
            );
            self.module = module;
            self.items(body + 1..self.tokens[body].mate);
            (self.module, self.folder, self.beside, self.in_block) = outer;
            return after;
        }
        // Which of several paths holds is told by conditions: all files are read, each as a module of this name.
        let named = marks.conditional_paths.iter().chain(&marks.path);
        let mut files: Vec<(PathBuf, bool)> =
            named.map(|path| (self.beside.join(path), true)).collect();
        if marks.path.is_none() {
            let beside = self.folder.join(format!("{text}.rs"));
            files.push(match beside.is_file() {
                true => (beside, false),
                false => (self.folder.join(&text).join("mod.rs"), true),
            });
        }
        for (path, owns_folder) in files {
            let module = self.add_module(name, marks);
            if self.is_read(name, module, &path) {
                continue;
            }
            self.world.modules[module.0].file = Some(path.clone());
            file(self.world, &path, module, owns_folder);
        }
        after
    }

    /// Returns whether a module is another one once more, as several branches of `cfg_if!` may have the same.
    fn is_read(&self, name: Name, module: ModuleId, path: &Path) -> bool {
        let modules = &self.world.modules;
        let namesakes = modules[self.module.0].modules.get(&name);
        namesakes.into_iter().flatten().any(|other| {
            modules[other.0].file.as_deref() == Some(path)
                && modules[other.0].conditions == modules[module.0].conditions
        })
    }

    fn add_module(&mut self, name: Name, marks: &ItemAttributes) -> ModuleId {
        let package = self.world.modules[self.module.0].package;
        let module = self.world.module(Some(self.module), false, package);
        let outer = std::mem::replace(&mut self.module, module);
        self.conditions(&marks.attributes);
        self.module = outer;
        let modules = &mut self.world.modules[self.module.0].modules;
        modules.entry(name).or_default().push(module);
        module
    }

    /// `extern crate ..;` or `extern "C" { .. }`.
    fn external(&mut self, at: usize, end: usize, is_pub: bool, marks: &ItemAttributes) -> usize {
        if self.is(at + 1, end, word::CRATE) {
            let after = self.semicolon(at, end);
            let Some(path) = self.word(at + 2, end).filter(|_| !marks.is_test) else {
                return after;
            };
            let renamed = self.is(at + 3, end, word::AS);
            let name = match renamed {
                true => self.word(at + 4, end),
                false => Some(path),
            };
            let macros = |attr: &Range<usize>| self.tokens[attr.start].word(word::MACRO_USE);
            if marks.attributes.iter().any(macros) {
                let package = self.world.modules[self.module.0].package;
                self.world.packages[package.0].macro_crates.push(path);
            }
            let path = match path {
                word::SELF => vec![word::CRATE],
                path => vec![path],
            };
            let imports = &mut self.world.modules[self.module.0].imports;
            imports.extend(name.map(|name| Import {
                path,
                name: Some(name),
                conditions: Vec::new(),
                is_pub,
            }));
            return after;
        }
        let (body, after) = self.body(at, end);
        if self.opens(body, b'{') {
            self.items(body + 1..self.tokens[body].mate);
        }
        after
    }

    fn macro_definition(
        &mut self,
        start: usize,
        at: usize,
        end: usize,
        marks: &ItemAttributes,
    ) -> usize {
        let name = self.word(at, end);
        let mut open = at + 1;
        // `macro name(..) {..}`
        if self.opens(open, b'(') && self.opens(self.tokens[open].mate + 1, b'{') {
            open = self.tokens[open].mate + 1;
        }
        let mut after = match self.tokens.get(open) {
            Some(token) if open < end && token.is_open() => token.mate + 1,
            _ => end.min(open + 1),
        };
        after += usize::from(self.is_semicolon(after, end));
        let id = self.add(ItemKind::MacroDefinition, name, start..after, after, marks);
        let exports = |attr: &Range<usize>| {
            let tokens = &self.tokens[attr.clone()];
            tokens.iter().any(|token| token.word(word::MACRO_EXPORT))
        };
        let root = self.world.modules[self.module.0].root;
        if let (Some(id), Some(name)) = (id, name)
            && root != self.module
            && marks.attributes.iter().any(exports)
        {
            let items = &mut self.world.modules[root.0].items;
            items.entry(name).or_default().push(id);
        }
        after
    }

    /// `path::name! {..}`, or something that is no item.
    fn invocation(&mut self, start: usize, at: usize, end: usize, marks: &ItemAttributes) -> usize {
        let mut bang = at;
        let mut name = None;
        while bang < end && (self.tokens[bang].is_word() || self.tokens[bang].is(b':')) {
            name = self.word(bang, end).or(name);
            bang += 1;
        }
        let open = bang + 1;
        let is_call = bang < end && self.tokens[bang].is(b'!');
        let token = self.tokens.get(open).copied();
        let Some(token) = token.filter(|it| is_call && it.is_open()) else {
            return at + 1;
        };
        let mut after = token.mate + 1;
        after += usize::from(self.is_semicolon(after, end));
        if self.in_block {
            return after;
        }
        if name == Some(word::INCLUDE) && !marks.is_test {
            self.include(open + 1..token.mate);
        }
        if !marks.is_test && self.parent.is_none() {
            self.given_modules(open + 1..token.mate);
        }
        self.add(ItemKind::Invocation, name, start..after, open, marks);
        after
    }

    /// Reads the items of the files that the arguments of `include!` name.
    fn include(&mut self, arguments: Range<usize>) {
        let paths = strings::files_named(self.world, self.file, arguments);
        for path in paths.unwrap_or_default() {
            file(self.world, &path, self.module, true);
        }
    }

    /// Reads the files of modules and of included items that are given to a macro: `cfg_if! { if #[cfg(unix)] { mod unix; } }`.
    fn given_modules(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at + 2 < range.end {
            let is_included = self.tokens[at].word(word::INCLUDE)
                && self.tokens[at + 1].is(b'!')
                && self.tokens[at + 2].is_open();
            if is_included {
                self.include(at + 3..self.tokens[at + 2].mate.min(range.end));
            }
            if !(self.tokens[at].word(word::MOD) && self.tokens[at + 2].is(b';')) {
                at += 1;
                continue;
            }
            let mut start = at;
            while start > range.start {
                let before = self.tokens[start - 1];
                start = match before.kind {
                    lex::TokenKind::Word if before.word(word::PUB) => start - 1,
                    lex::TokenKind::Close(b')') if self.tokens[before.mate - 1].word(word::PUB) => {
                        before.mate - 1
                    }
                    lex::TokenKind::Close(b']') if self.tokens[before.mate - 1].is(b'#') => {
                        before.mate - 1
                    }
                    _ => break,
                };
            }
            at = self.item(start.max(range.start), range.end).max(at + 1);
        }
    }
}
