//! Reads the tokens of an item for what they name.

use std::ops::Range;

use crate::follow::Follow;
use crate::invocations::is_common;
use crate::item::{self, Import, ItemId, ModuleId};
use crate::lex::{Token, TokenKind};
use crate::locals::Locals;
use crate::names::{Name, word};
use crate::resolve::Meaning;
use crate::strings::{code_path, file_named, inlined};
use crate::text;
use crate::tokens::{
    angle, imports, is_path_separator, parameters, path_at, split_at_commas, string_value,
};
use crate::world::{read_text, real};

/// What is read, and where its names are looked up.
struct Scan<'a> {
    id: ItemId,
    tokens: &'a [Token],
    end: usize,
    module: ModuleId,
    /// The `use`s in the body.
    local: Vec<Import>,
    /// The names of generic parameters, by which nobody asks for an invocation.
    generics: Vec<Name>,
    locals: Locals,
    /// Whether these are the arguments or the body of a macro, whose words may become anything.
    in_macro: bool,
}

impl Follow<'_> {
    /// Reads some tokens of an item.
    pub(crate) fn scan(&mut self, id: ItemId, range: Range<usize>, in_macro: bool) {
        let world = self.world;
        let item = &world.items[id.0];
        let tokens = world.tokens_of(id);
        let head = item.body.min(range.end);
        let local = (range.start..range.end)
            .filter(|at| *at > head && tokens[*at].word(word::USE))
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
            end: range.end,
            module: self.module.unwrap_or(item.module),
            local,
            generics,
            locals: match in_macro {
                true => Locals::default(),
                false => Locals::new(tokens, range.clone()),
            },
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
                            self.path_in_attribute(&scan, &value);
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
        self.found.conditions.insert((condition, package));
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
                self.method(name);
            }
            if !is_call || scan.in_macro {
                self.field_name(name);
            }
            return at + 1;
        }
        if before_is(1, b':') && before_is(2, b':') {
            // After `>::`, `$x::` or a leading `::`.
            self.method(name);
            return at + 1;
        }
        let (path, next) = path_at(tokens, at, scan.end);
        let is_macro = tokens.get(next).is_some_and(|token| token.is(b'!'))
            && !tokens.get(next + 1).is_some_and(|token| token.is(b'='));
        if is_macro {
            self.macro_call(scan, &path, next);
            return next + 1;
        }
        self.path(scan, at, &path, next);
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
            let is_binding = match word_before(1) {
                Some(word::LET | word::FN) => true,
                Some(word::MUT) => word_before(2) == Some(word::LET),
                _ => false,
            };
            if is_label || is_binding {
                return;
            }
        }
        for name in &path[1..] {
            self.method(*name);
        }
        let mut meanings = self.resolve(scan, path);
        let is_imported = scan
            .local
            .iter()
            .any(|import| import.name.is_none_or(|it| it == first));
        if path.len() == 1 && !is_imported && scan.locals.hide(first, at) {
            // A constant is not hidden: as a pattern of `let` it is compared with.
            let hidden = |id: ItemId| world.items[id.0].kind == item::ItemKind::Fn;
            meanings.retain(|meaning| !matches!(meaning, Meaning::Item(id) if hidden(*id)));
        }
        let is_known = meanings
            .iter()
            .any(|meaning| matches!(meaning, Meaning::Item(_)));
        for name in path {
            if !scan.generics.contains(name) {
                self.mention(*name, is_known);
            }
        }
        let is_call = after.is_some_and(|token| token.opens(b'('));
        if meanings.is_empty() {
            let last = path[path.len() - 1];
            let own_module = &world.modules[scan.module.0];
            if path.len() > 1 && is_lower && !is_common(text) && first != word::CRATE {
                self.anywhere(last);
            } else if path.len() == 1 && is_call && own_module.has_invocations {
                self.anywhere(first);
            }
            if (path.len() > 1 || is_call) && !self.index.invocations.pasting.is_empty() {
                for name in path {
                    for id in self.index.invocations.that_paste(world.text(*name)) {
                        self.reach(id);
                    }
                }
            }
        }
        // A local variable may have the name of a stage; a stage that is meant is called, or written as a path.
        let is_used = path.len() > 1 || is_call || after.is_some_and(|token| token.is(b':'));
        for meaning in meanings {
            if let Meaning::Item(id) = meaning {
                let item = &world.items[id.0];
                if item.is_stage && !is_used {
                    continue;
                }
                if item.config.is_some() && after.is_some_and(|token| token.opens(b'{')) {
                    self.names_in_braces(scan, next);
                }
            }
            self.meaning(meaning);
        }
    }

    /// `AnnealLens { seed, .. }` names a field as `.seed` does.
    fn names_in_braces(&mut self, scan: &Scan<'_>, open: usize) {
        let tokens = scan.tokens;
        for part in split_at_commas(tokens, open + 1..tokens[open].mate) {
            let mut words = tokens[part].iter().filter(|token| token.is_word());
            let name = words.find(|token| !(token.word(word::REF) || token.word(word::MUT)));
            if let Some(token) = name {
                self.field_name(token.name);
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
        found
    }

    /// `path!(..)`, of which `bang` is the index of the `!`.
    fn macro_call(&mut self, scan: &Scan<'_>, path: &[Name], bang: usize) {
        let (world, tokens) = (self.world, scan.tokens);
        let name = path[path.len() - 1];
        self.expand(name, scan.module);
        self.mention(name, false);
        for meaning in self.resolve(scan, path) {
            self.meaning(meaning);
        }
        let Some(open) = tokens.get(bang + 1).filter(|token| token.is_open()) else {
            return;
        };
        let arguments = bang + 2..open.mate;
        if self.index.macros.contains_key(&name) {
            self.own_macro(scan, arguments.clone());
        }
        if !text::is_standard(world, name) {
            for token in tokens[arguments.clone()]
                .iter()
                .filter(|token| token.is_word())
            {
                if !token.name.is_keyword() {
                    self.method(token.name);
                    self.field_name(token.name);
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
                    self.found.variables.insert((variable, package));
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
                if may_be_item && self.resolve(scan, &[token.name]).is_empty() {
                    self.anywhere(token.name);
                }
                self.mention(token.name, false);
                self.expand(token.name, scan.module);
            } else if token.kind == TokenKind::Text
                && let Some(value) = string_value(world.text(token.name))
                && value.contains('.')
                && value.len() < 200
                && !value.contains(['\n', '{', ' '])
                && let Some(path) = folder.map(|folder| folder.join(value))
                && path.is_file()
            {
                self.file(path);
            }
        }
    }

    fn included(&mut self, scan: &Scan<'_>, name: Name, arguments: Range<usize>) {
        let world = self.world;
        let file = world.items[scan.id.0].file;
        let line = scan.tokens[arguments.start.saturating_sub(1)].line;
        match file_named(world, file, arguments) {
            Some(path) => {
                if name == word::INCLUDE {
                    self.included_code(scan.module, &path);
                }
                self.file(path);
            }
            None => {
                let place = world.place(file);
                let name = world.text(name);
                self.found
                    .unknown
                    .push(format!("{name}! in {place}:{line}"));
            }
        }
    }

    /// Reads the names in a file of code that is included in a function.
    fn included_code(&mut self, module: ModuleId, path: &std::path::Path) {
        let world = self.world;
        let Some(file) = world.included.get(&real(path)) else {
            return;
        };
        let tokens = &world.files[file.0].tokens;
        for (at, token) in tokens.iter().enumerate() {
            if !token.is_word() || token.name.is_keyword() {
                continue;
            }
            self.method(token.name);
            self.field_name(token.name);
            let (path, _) = path_at(tokens, at, tokens.len());
            for meaning in self.index.resolver.path(world, module, &path) {
                self.meaning(meaning);
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
                for meaning in self.resolve(scan, &[name]) {
                    if matches!(meaning, Meaning::Item(_)) {
                        self.meaning(meaning);
                    }
                }
            }
        }
    }

    /// `#[serde(with = "module")]`
    fn path_in_attribute(&mut self, scan: &Scan<'_>, value: &str) {
        let world = self.world;
        let words = code_path(value).unwrap_or_default();
        let path: Option<Vec<Name>> = words.iter().map(|word| world.names.find(word)).collect();
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            return;
        };
        for name in &path[1..] {
            self.method(*name);
        }
        for meaning in self.resolve(scan, &path) {
            match meaning {
                Meaning::Item(id) => self.reach(id),
                // Which functions of the module are called is the business of the macro.
                Meaning::Module(module) => {
                    for id in &world.modules[module.0].all {
                        self.reach(*id);
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the bytes of an included file that count: of a text, those with the line ends of Unix.
    pub(crate) fn bytes(path: &std::path::Path) -> Vec<u8> {
        match read_text(path) {
            Some(text) => text.into_bytes(),
            None => std::fs::read(path).unwrap_or_default(),
        }
    }
}

/// What is in the brackets of the attribute at `at`.
fn attribute_at(tokens: &[Token], at: usize, end: usize) -> Option<Range<usize>> {
    let is_inner = tokens.get(at + 1).is_some_and(|token| token.is(b'!'));
    let open = at + 1 + usize::from(is_inner);
    let bracket = tokens
        .get(open)
        .filter(|token| open < end && token.opens(b'['))?;
    Some(open + 1..bracket.mate)
}
