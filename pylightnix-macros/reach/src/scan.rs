//! Reads the tokens of an item for what they name.

use std::ops::Range;
use std::path::PathBuf;

use crate::edges::{Edge, Reading};
use crate::invocations::is_common;
use crate::item::{self, FileId, Import, ItemId, ModuleId};
use crate::lex::{Token, TokenKind};
use crate::locals::Locals;
use crate::names::{Name, word};
use crate::resolve::Meaning;
use crate::strings::{code_paths, files_named, inlined};
use crate::text;
use crate::tokens::{
    angle, attribute_at, imports, is_path_separator, parameters, path_at, split_at_commas,
    string_value,
};
use crate::world::real;

/// What is read, and where its names are looked up.
struct Scan<'a> {
    id: ItemId,
    tokens: &'a [Token],
    start: usize,
    end: usize,
    module: ModuleId,
    /// The `use`s in the body.
    local: Vec<Import>,
    /// The names of generic parameters, which refer to no invocation.
    generics: Vec<Name>,
    locals: Locals,
    /// Whether these are the arguments or the body of a macro, whose words may become anything.
    in_macro: bool,
    /// Whether there are modules in it, in which `super` is the module of the item.
    has_modules: bool,
}

impl Reading<'_> {
    /// Reads some tokens of an item.
    pub(crate) fn read(&mut self, id: ItemId, range: Range<usize>, in_macro: bool) {
        let world = self.world;
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        let head = item.body.min(range.end);
        let local = (range.start..range.end)
            .filter(|at| tokens[*at].word(word::USE))
            // Not that of `impl Trait + use<'a>`.
            .filter(|at| tokens.get(at + 1).is_some_and(|next| !next.is(b'<')))
            .flat_map(|at| {
                let end = (at..range.end).find(|at| tokens[*at].is(b';'));
                imports(tokens, at + 1..end.unwrap_or(range.end))
            })
            .collect();
        let mut generics = self.index.generics_around(world, id);
        let named = (range.start..head.max(range.start)).find(|at| {
            tokens[*at].word(item.name) && tokens.get(at + 1).is_some_and(|next| next.is(b'<'))
        });
        if let Some(at) = named {
            let close = angle(tokens, at + 1, range.end);
            generics.extend(parameters(tokens, at + 1, close));
        }
        let scan = Scan {
            id,
            tokens,
            start: range.start,
            end: range.end,
            module: self.module.unwrap_or(item.module),
            local,
            generics,
            locals: match in_macro {
                true => Locals::default(),
                false => Locals::new(&world.names, tokens, range.clone()),
            },
            has_modules: tokens[range.clone()]
                .iter()
                .any(|token| token.word(word::MOD)),
            in_macro,
        };
        let mut at = range.start;
        // The end of the attribute that is being read.
        let mut attribute = 0;
        while at < range.end {
            let token = tokens[at];
            match token.kind {
                TokenKind::Punct(b'#', _) => {
                    if let Some(inner) = attribute_at(tokens, at, range.end) {
                        if text::is_ignored(tokens, inner.clone()) {
                            at = inner.end + 1;
                            continue;
                        }
                        for condition in text::conditions(world, tokens, inner.clone()) {
                            self.condition(id, condition);
                        }
                        attribute = inner.end;
                    }
                    at += 1;
                }
                TokenKind::Text => {
                    if let Some(value) = string_value(world.text(token.name)) {
                        if at < attribute {
                            self.paths_in_attribute(&scan, &value);
                        }
                        self.format_arguments(&scan, &value);
                    }
                    at += 1;
                }
                TokenKind::Word => at = self.word(&scan, at),
                _ => at += 1,
            }
        }
    }

    fn condition(&mut self, id: ItemId, condition: String) {
        let module = self.world.items[id.0].module;
        let package = self.world.modules[module.0].package.0;
        self.note(Edge::Condition(condition, package));
    }

    /// Reads the word at `at`, and returns the index of what is read next.
    fn word(&mut self, scan: &Scan<'_>, at: usize) -> usize {
        let tokens = scan.tokens;
        let name = tokens[at].name;
        let before = |back: usize| at.checked_sub(back).map(|at| tokens[at]);
        let before_is = |back: usize, punct: u8| before(back).is_some_and(|it| it.is(punct));
        let is_variable = before_is(1, b'$') && name != word::CRATE;
        if is_variable || name.is_keyword() {
            return at + 1;
        }
        if before_is(1, b'.') && !before_is(2, b'.') {
            let next = tokens.get(at + 1);
            let is_call =
                next.is_some_and(|next| next.opens(b'(')) || is_path_separator(tokens, at + 1);
            if is_call || scan.in_macro {
                self.note(Edge::Method(name));
            }
            if !is_call || scan.in_macro {
                self.note(Edge::Field(name));
            }
            return at + 1;
        }
        let (path, next) = path_at(tokens, at, scan.end);
        if before_is(1, b':') && before_is(2, b':') {
            return self.rest_of_path(scan, at, &path, next);
        }
        let is_macro = tokens.get(next).is_some_and(|token| token.is(b'!'))
            && !tokens.get(next + 1).is_some_and(|token| token.is(b'='));
        if is_macro {
            self.macro_call(scan, &path, next);
            return next + 1;
        }
        self.path(scan, at, &path, next);
        next
    }

    /// A path after `>::`, `$x::`, or a leading `::`.
    fn rest_of_path(&mut self, scan: &Scan<'_>, at: usize, path: &[Name], next: usize) -> usize {
        let world = self.world;
        let before = |back: usize| at.checked_sub(back).map(|at| scan.tokens[at]);
        let is_parameter = before(3).is_some_and(|token| token.is_word())
            && before(4).is_some_and(|token| token.is(b'$'));
        let is_leading = before(3).is_none_or(|token| !(token.is(b'>') || token.is_word()));
        for name in path {
            self.note(Edge::Method(*name));
            if is_parameter {
                self.note(Edge::Anywhere(*name));
                self.note(Edge::Mention(*name, false));
            }
        }
        if is_leading {
            let resolver = &mut self.index.resolver;
            for meaning in resolver.absolute(world, scan.module, path) {
                self.meaning(meaning, scan);
            }
            let last = path[path.len() - 1];
            self.note(Edge::Mention(last, false));
            if scan.tokens.get(next).is_some_and(|token| token.is(b'!')) {
                self.note(Edge::Macro(last, scan.module));
            }
        }
        next
    }

    fn path(&mut self, scan: &Scan<'_>, at: usize, path: &[Name], next: usize) {
        let (world, tokens) = (self.world, scan.tokens);
        let first = path[0];
        let text = world.text(first);
        let is_lower = text.starts_with(|char: char| char.is_lowercase() || char == '_');
        let after = tokens.get(next).copied();
        if path.len() == 1 && !scan.in_macro {
            // The name of a field, of a binding or of a parameter says nothing.
            let is_label = is_lower
                && after.is_some_and(|token| token.is(b':'))
                && !is_path_separator(tokens, next);
            let word_before = |back: usize| {
                let token = at.checked_sub(back).map(|at| tokens[at]);
                token.filter(Token::is_word).map(|token| token.name)
            };
            if is_label || word_before(1) == Some(word::FN) {
                return;
            }
        }
        for name in &path[1..] {
            self.note(Edge::Method(*name));
        }
        let mut meanings = match scan.generics.contains(&first) {
            true => Vec::new(),
            false => self.resolve(scan, path),
        };
        let is_imported = scan
            .local
            .iter()
            .any(|import| import.name.is_none_or(|it| it == first));
        if path.len() == 1 && !is_imported && scan.locals.hide(first, at) {
            // A constant is not hidden: as a pattern of `let` it is compared with.
            let hidden = |id: ItemId| world.items[id.0].kind == item::ItemKind::Fn;
            meanings.retain(|meaning| match meaning {
                Meaning::Item(id) => !hidden(*id),
                Meaning::Missing(_) => false,
                _ => true,
            });
        }
        // The name of a macro without a `!` means nothing, if no other macro is given it.
        let is_macro = |meaning: &Meaning| match meaning {
            Meaning::Item(id) => world.items[id.0].kind == item::ItemKind::MacroDefinition,
            _ => false,
        };
        if meanings.iter().any(is_macro) && !scan.in_macro && !is_argument(tokens, scan.start, at) {
            meanings.retain(|meaning| !is_macro(meaning));
        }
        self.said(scan, path);
        let is_known = meanings
            .iter()
            .any(|meaning| matches!(meaning, Meaning::Item(_)));
        for name in path {
            if !scan.generics.contains(name) {
                self.note(Edge::Mention(*name, is_known));
            }
        }
        let is_call = after.is_some_and(|token| token.opens(b'('));
        let is_missing = |meaning: &Meaning| matches!(meaning, Meaning::Missing(_));
        if meanings.iter().all(is_missing) {
            let own_module = &world.modules[scan.module.0];
            if path.len() > 1 && is_lower && !is_common(text) && first != word::CRATE {
                for name in &path[1..] {
                    self.note(Edge::Anywhere(*name));
                }
            } else if path.len() == 1 && is_call && own_module.has_invocations {
                self.note(Edge::Anywhere(first));
            }
            if (path.len() > 1 || is_call) && !self.index.invocations.pasting.is_empty() {
                for name in path {
                    for id in self.index.invocations.that_paste(world.text(*name)) {
                        self.note(Edge::Item(id));
                    }
                }
            }
        }
        if after.is_some_and(|token| token.opens(b'{')) {
            let is_config = |meaning: &Meaning| match meaning {
                Meaning::Item(id) => {
                    let item = &world.items[id.0];
                    item.config.is_some() || item.kind == item::ItemKind::Alias
                }
                _ => false,
            };
            if first == word::SELF_TYPE || meanings.iter().any(is_config) {
                self.names_in_braces(scan, next);
            }
        }
        for meaning in meanings {
            self.meaning(meaning, scan);
        }
    }

    /// Notes the words of a path, each in the module in which it is looked up.
    fn said(&mut self, scan: &Scan<'_>, path: &[Name]) {
        self.note(Edge::Said(scan.module, path[0]));
        for at in 1..path.len() {
            for meaning in self.resolve(scan, &path[..at]) {
                if let Meaning::Module(module) = meaning {
                    self.note(Edge::Said(module, path[at]));
                }
            }
        }
    }

    /// Reaches what a name means.
    fn meaning(&mut self, meaning: Meaning, scan: &Scan<'_>) {
        match meaning {
            Meaning::Item(id) => {
                self.note(Edge::Item(id));
                if self.world.items[id.0].kind == item::ItemKind::MacroDefinition {
                    self.note(Edge::Definition(id, scan.module));
                }
            }
            Meaning::External(path) => self.note(Edge::External(path)),
            Meaning::Module(_) => {}
            Meaning::Package(package) => self.note(Edge::Package(package)),
            Meaning::Missing(name) => self.note(Edge::Missing(name)),
        }
    }

    /// `AnnealLens { seed, .. }` names a field as `.seed` does.
    fn names_in_braces(&mut self, scan: &Scan<'_>, open: usize) {
        let tokens = scan.tokens;
        for part in split_at_commas(tokens, open + 1..tokens[open].mate) {
            let mut words = tokens[part].iter().filter(|token| token.is_word());
            let name = words.find(|token| !(token.word(word::REF) || token.word(word::MUT)));
            if let Some(token) = name {
                self.note(Edge::Field(token.name));
            }
        }
    }

    fn resolve(&mut self, scan: &Scan<'_>, path: &[Name]) -> Vec<Meaning> {
        let world = self.world;
        let resolver = &mut self.index.resolver;
        let mut found = Vec::new();
        for import in &scan.local {
            match import.name {
                Some(name) if name == path[0] => {
                    let meant = resolver.import(world, scan.module, import);
                    found.extend(resolver.rest(world, meant, &path[1..]));
                }
                Some(_) => {}
                None => {
                    for meaning in resolver.import(world, scan.module, import) {
                        match meaning {
                            Meaning::Module(module) => {
                                let meant = resolver.name(world, module, path[0]).to_vec();
                                found.extend(resolver.rest(world, meant, &path[1..]));
                            }
                            Meaning::Item(_) => found.push(meaning),
                            _ => {}
                        }
                    }
                }
            }
        }
        found.extend(resolver.path(world, scan.module, path));
        if scan.has_modules && path.len() > 1 && path[0] == word::SUPER {
            found.extend(resolver.path(world, scan.module, &path[1..]));
        }
        found
    }

    /// `path!(..)`, of which `bang` is the index of the `!`.
    fn macro_call(&mut self, scan: &Scan<'_>, path: &[Name], bang: usize) {
        let (world, tokens) = (self.world, scan.tokens);
        let name = path[path.len() - 1];
        self.note(Edge::Macro(name, scan.module));
        self.note(Edge::Mention(name, false));
        self.said(scan, path);
        let mut is_own = self.index.macros.contains_key(&name);
        for meaning in self.resolve(scan, path) {
            is_own |= matches!(meaning, Meaning::Item(_));
            self.meaning(meaning, scan);
        }
        let Some(open) = tokens.get(bang + 1).filter(|token| token.is_open()) else {
            return;
        };
        let arguments = bang + 2..open.mate;
        if is_own {
            self.own_macro(scan, arguments.clone());
        }
        if !text::is_standard(world, name) {
            for token in tokens[arguments.clone()]
                .iter()
                .filter(|token| token.is_word())
            {
                if !token.name.is_keyword() {
                    self.note(Edge::Method(token.name));
                    self.note(Edge::Field(token.name));
                }
            }
        }
        match name {
            word::CFG => {
                let condition = text::of_range(world, tokens, arguments, true);
                self.condition(scan.id, condition);
            }
            word::ENV | word::OPTION_ENV => {
                let first = tokens[arguments]
                    .first()
                    .filter(|token| token.kind == TokenKind::Text);
                if let Some(variable) = first.and_then(|it| string_value(world.text(it.name))) {
                    let module = world.items[scan.id.0].module;
                    let package = world.modules[module.0].package.0;
                    self.note(Edge::Variable(variable, package));
                }
            }
            word::INCLUDE | word::INCLUDE_STR | word::INCLUDE_BYTES => {
                self.included(scan, name, arguments);
            }
            _ => {}
        }
    }

    /// The arguments of an own macro: each word may become a name.
    fn own_macro(&mut self, scan: &Scan<'_>, arguments: Range<usize>) {
        let (world, tokens) = (self.world, scan.tokens);
        let folder = world.files[world.items[scan.id.0].file.0].path.parent();
        for at in arguments {
            let token = tokens[at];
            if token.is_word() {
                let is_field = tokens[at - 1].is(b'.');
                let may_be_item = !token.name.is_keyword() && !is_field;
                let is_missing = |meaning: &Meaning| matches!(meaning, Meaning::Missing(_));
                if may_be_item && self.resolve(scan, &[token.name]).iter().all(is_missing) {
                    self.note(Edge::Anywhere(token.name));
                }
                self.note(Edge::Mention(token.name, false));
                self.note(Edge::Macro(token.name, scan.module));
            } else if token.kind == TokenKind::Text
                && let Some(value) = string_value(world.text(token.name))
                && !value.is_empty()
                && value.len() < 200
                && !value.contains(['\n', '{'])
                && let Some(path) = folder.map(|folder| folder.join(value))
                && path.is_file()
            {
                self.note(Edge::File(path));
            }
        }
    }

    fn included(&mut self, scan: &Scan<'_>, name: Name, arguments: Range<usize>) {
        let world = self.world;
        let file = world.items[scan.id.0].file;
        let line = scan.tokens[arguments.start.saturating_sub(1)].line;
        let Some(mut paths) = files_named(world, file, arguments) else {
            let place = world.place(file);
            let name = world.text(name);
            let unknown = format!("{name}! in {place}:{line}");
            self.note(Edge::Unknown(unknown));
            return;
        };
        // In the body of a macro, a path begins at the file that invokes the macro.
        let folder = |file: FileId| world.files[file.0].path.parent();
        if let (Some(caller), Some(own)) = (self.caller.and_then(folder), folder(file))
            && caller != own
        {
            let moved = paths.iter().filter_map(|path| path.strip_prefix(own).ok());
            let moved: Vec<PathBuf> = moved.map(|path| caller.join(path)).collect();
            paths.extend(moved.into_iter().filter(|path| path.is_file()));
        }
        for path in paths {
            match world.included.get(&real(&path)) {
                Some(code) if name == word::INCLUDE => {
                    self.note(Edge::Included(*code, scan.module));
                }
                _ => self.note(Edge::File(path)),
            }
        }
    }

    /// `"{name}"`
    fn format_arguments(&mut self, scan: &Scan<'_>, value: &str) {
        if !value.contains('{') {
            return;
        }
        for text in inlined(value) {
            if let Some(name) = self.world.names.find(text) {
                self.note(Edge::Said(scan.module, name));
                for meaning in self.resolve(scan, &[name]) {
                    if matches!(meaning, Meaning::Item(_)) {
                        self.meaning(meaning, scan);
                    }
                }
            }
        }
    }

    /// `#[serde(with = "module")]`
    fn paths_in_attribute(&mut self, scan: &Scan<'_>, value: &str) {
        let world = self.world;
        for words in code_paths(value) {
            let path: Option<Vec<Name>> = words.iter().map(|word| world.names.find(word)).collect();
            let Some(path) = path else { continue };
            for name in &path[1..] {
                self.note(Edge::Method(*name));
            }
            for meaning in self.resolve(scan, &path) {
                match meaning {
                    Meaning::Item(id) => self.note(Edge::Item(id)),
                    // Which functions of the module are called is the business of the macro.
                    Meaning::Module(module) => {
                        for id in &world.modules[module.0].all {
                            self.note(Edge::Item(*id));
                        }
                    }
                    Meaning::Missing(name) => self.note(Edge::Mention(name, false)),
                    _ => {}
                }
            }
        }
    }
}

/// Returns whether the token at `to` is among the arguments of a macro or of an attribute that begins at `from` or behind it.
fn is_argument(tokens: &[Token], from: usize, to: usize) -> bool {
    let mut within = (from..to).filter(|at| tokens[*at].is_open() && tokens[*at].mate > to);
    within.any(|at| {
        let before = at.checked_sub(1).map(|at| tokens[at]);
        before.is_some_and(|before| before.is(b'!') || before.is(b'#'))
    })
}
