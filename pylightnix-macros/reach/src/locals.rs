//! Local variables and functions, which hide functions of the same name outside.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::lex::{Joint, Token, TokenKind};
use crate::names::{Name, Names, word};
use crate::tokens::{angle, attributes, is_path_separator, split_at_commas};

/// The variables and functions in a body, and where they hide what has the same name outside.
///
/// Where it is not certain how far a variable reaches, it hides nothing.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    scopes: FxHashMap<Name, Vec<Range<usize>>>,
}

impl Locals {
    /// Finds the variables in some tokens.
    pub(crate) fn new(names: &Names, tokens: &[Token], range: Range<usize>) -> Self {
        let mut finder = Finder {
            names,
            tokens,
            end: range.end,
            braces: Vec::new(),
            of_members: None,
            locals: Locals::default(),
        };
        finder.find(range.start);
        finder.locals
    }

    /// Returns whether a name at this index is a local variable or function.
    pub(crate) fn hide(&self, name: Name, at: usize) -> bool {
        let scopes = self.scopes.get(&name);
        scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope.contains(&at)))
    }
}

struct Finder<'a> {
    names: &'a Names,
    tokens: &'a [Token],
    end: usize,
    /// The open braces, and whether what they hold are members of an `impl` or a trait.
    braces: Vec<(usize, bool)>,
    /// The brace of the `impl` or trait whose head is read.
    of_members: Option<usize>,
    locals: Locals,
}

impl Finder<'_> {
    fn find(&mut self, start: usize) {
        let mut at = start;
        while at < self.end {
            let token = self.tokens[at];
            match token.kind {
                TokenKind::Open(b'{') => self.braces.push((at, self.of_members == Some(at))),
                TokenKind::Close(b'}')
                    if self.braces.last().is_some_and(|it| it.0 == token.mate) =>
                {
                    self.braces.pop();
                }
                TokenKind::Punct(b'|', _) if at > start => at = self.closure(at),
                TokenKind::Word => match token.name {
                    // Its arms are no code yet.
                    word::MACRO_RULES => at = self.after_macro(at),
                    word::LET => self.binding(at),
                    word::FOR => self.each(at),
                    word::MATCH => self.arms(at),
                    word::FN => self.function(at),
                    word::IMPL | word::TRAIT => {
                        self.of_members = (at..self.end).find(|at| self.tokens[*at].opens(b'{'));
                    }
                    _ => {}
                },
                _ => {}
            }
            at += 1;
        }
    }

    fn is(&self, at: usize, punct: u8) -> bool {
        at < self.end && self.tokens[at].is(punct)
    }

    /// Whether `=>` is at `at`.
    fn is_arrow(&self, at: usize) -> bool {
        at + 1 < self.end
            && matches!(self.tokens[at].kind, TokenKind::Punct(b'=', Joint::Joint))
            && self.tokens[at + 1].is(b'>')
    }

    /// The index of the bracket that closes the one at `at`.
    fn past(&self, at: usize) -> usize {
        self.tokens[at].mate.clamp(at, self.end)
    }

    /// The index after the token at `at`, or after the brackets that it opens.
    fn after(&self, at: usize) -> usize {
        match self.tokens[at].is_open() {
            true => self.past(at) + 1,
            false => at + 1,
        }
    }

    fn after_macro(&self, at: usize) -> usize {
        let open = (at..self.end.min(at + 4)).find(|at| self.tokens[*at].is_open());
        open.map_or(at, |open| self.past(open))
    }

    fn hide(&mut self, pattern: Range<usize>, scope: Range<usize>) {
        if scope.is_empty() || self.tokens[pattern.clone()].iter().any(|it| it.is(b'!')) {
            return;
        }
        let end = pattern.end;
        for at in pattern {
            let token = self.tokens[at];
            let before = self.tokens[at - 1];
            if !token.is_word() || token.name.is_keyword() {
                continue;
            }
            let follows_path = before.is(b':') && self.tokens[at - 2].is(b':');
            if follows_path || before.is(b'.') || before.is(b'$') {
                continue;
            }
            // The name of a field, or of what is taken apart.
            let next = self.tokens.get(at + 1).filter(|_| at + 1 < end);
            let is_name = next.is_none_or(|next| {
                let is_path = next.is(b':') || next.is(b'!') || next.is(b'<');
                !(is_path || next.opens(b'(') || next.opens(b'{'))
            });
            let text = self.names.text(token.name);
            if is_name && text.starts_with(|char: char| char.is_lowercase() || char == '_') {
                let scopes = self.locals.scopes.entry(token.name).or_default();
                scopes.push(at..at + 1);
                scopes.push(scope.clone());
            }
        }
    }

    /// The end of the pattern at `at`: its type, or what is bound.
    fn pattern_end(&self, mut at: usize, end: usize) -> usize {
        while at < end {
            let token = self.tokens[at];
            if token.is_open() {
                at = self.past(at);
            } else if is_path_separator(self.tokens, at) {
                at += 1;
            } else if token.is(b':')
                || token.is(b';')
                || token.is(b'=') && !self.tokens[at - 1].is(b'.')
            {
                return at;
            }
            at += 1;
        }
        end
    }

    fn binding(&mut self, at: usize) {
        let pattern = at + 1..self.pattern_end(at + 1, self.end);
        let is_statement = at == 0 || {
            let before = self.tokens[at - 1];
            before.is(b';')
                || before.opens(b'{')
                || before.is_close()
                || before.kind == TokenKind::Doc
        };
        if !is_statement {
            if let Some(body) = self.block_after(pattern.end + 1) {
                self.hide(pattern, body);
            }
            return;
        }
        let Some(block) = self.braces.last().map(|(open, _)| self.past(*open)) else {
            return;
        };
        // It holds after its statement.
        let mut next = pattern.end;
        while next < block && !self.tokens[next].is(b';') {
            next = self.after(next);
        }
        self.hide(pattern, next.min(block)..block);
    }

    /// The block behind the expression at `at`, if it is certain where that ends.
    fn block_after(&self, mut at: usize) -> Option<Range<usize>> {
        while at < self.end {
            let token = self.tokens[at];
            let has_block = token.is_word()
                && matches!(
                    token.name,
                    word::MATCH
                        | word::UNSAFE
                        | word::IF
                        | word::LOOP
                        | word::WHILE
                        | word::FOR
                        | word::ASYNC
                        | word::CONST
                );
            let ends = token.is(b';') || token.is(b',') || token.is_close() || self.is_arrow(at);
            if has_block || ends || token.is(b'|') {
                return None;
            }
            if token.opens(b'{') {
                // After an operator or a keyword it is a part of the expression.
                let before = self.tokens[at - 1];
                let ends = match before.kind {
                    TokenKind::Punct(..) | TokenKind::Open(_) => before.is(b'?'),
                    TokenKind::Word => !before.name.is_keyword(),
                    _ => true,
                };
                return ends.then(|| at..self.past(at));
            }
            at = self.after(at);
        }
        None
    }

    /// `for pattern in expression { .. }`
    fn each(&mut self, at: usize) {
        let mut next = at + 1;
        while next < self.end && !self.tokens[next].word(word::IN) {
            let token = self.tokens[next];
            if token.opens(b'{') && self.tokens[next - 1].is(b'>')
                || token.is(b';')
                || token.is(b'<')
            {
                return;
            }
            next = self.after(next);
        }
        if let Some(body) = self.block_after(next + 1) {
            self.hide(at + 1..next, body);
        }
    }

    /// `|pattern, pattern| expression`; returns the index of the last `|` that was read.
    fn closure(&mut self, at: usize) -> usize {
        let before = self.tokens[at - 1];
        let starts = before.is_open()
            || before.is(b',')
            || before.is(b'=')
            || at > 1 && self.is_arrow(at - 2)
            || before.word(word::MOVE)
            || before.word(word::RETURN);
        if !starts {
            return at;
        }
        let Some(close) = self.closing_bar(at) else {
            return at;
        };
        let mut end = close + 1;
        if self.tokens.get(end).is_some_and(|token| token.opens(b'{')) {
            end = self.past(end);
        } else {
            while end < self.end && !self.tokens[end].is_close() {
                let token = self.tokens[end];
                if token.is(b',') || token.is(b';') {
                    break;
                }
                end = self.after(end);
            }
        }
        self.parameters(at + 1..close, close + 1..end.min(self.end));
        close
    }

    /// The index of the `|` that ends the parameters of a closure.
    fn closing_bar(&self, at: usize) -> Option<usize> {
        let mut next = at + 1;
        while next < self.end && !self.tokens[next].is(b'|') {
            let token = self.tokens[next];
            if token.is(b';') || token.is_close() || self.is_arrow(next) {
                return None;
            }
            next = self.after(next);
        }
        (next < self.end).then_some(next)
    }

    fn parameters(&mut self, range: Range<usize>, scope: Range<usize>) {
        for part in split_at_commas(self.tokens, range) {
            let end = self.pattern_end(part.start, part.end);
            self.hide(part.start..end, scope.clone());
        }
    }

    /// `match expression { pattern if guard => expression, .. }`
    fn arms(&mut self, at: usize) {
        let Some(arms) = self.block_after(at + 1) else {
            return;
        };
        let mut next = arms.start + 1;
        while next < arms.end {
            (_, next) = attributes(self.tokens, next, arms.end);
            let start = next;
            let mut guard = None;
            while next < arms.end && !self.is_arrow(next) {
                let token = self.tokens[next];
                if token.word(word::IF) {
                    guard.get_or_insert(next);
                }
                next = self.after(next);
            }
            let pattern = start..guard.unwrap_or(next).min(arms.end);
            next = self.arm_end(next + 2, arms.end);
            self.hide(pattern.clone(), pattern.end..next);
        }
    }

    /// The index after the arm whose expression is at `at`.
    fn arm_end(&self, mut at: usize, end: usize) -> usize {
        if at < end && self.tokens[at].opens(b'{') {
            let after = self.past(at) + 1;
            return after + usize::from(self.is(after, b','));
        }
        while at < end {
            let token = self.tokens[at];
            if token.is(b',') {
                return at + 1;
            }
            at = if token.is_open() {
                self.past(at) + 1
            } else if token.is(b'<') && self.tokens[at - 1].is(b':') {
                angle(self.tokens, at, end) + 1
            } else if token.is(b'|') {
                self.closing_bar(at).unwrap_or(at) + 1
            } else {
                at + 1
            };
        }
        end
    }

    /// A function: its parameters, and its own name in the block that it is in.
    fn function(&mut self, at: usize) {
        // Not the type `fn(..)`.
        let named = at + 2 < self.end && self.tokens[at + 1].is_word();
        let from = match named && self.is(at + 2, b'<') {
            true => angle(self.tokens, at + 2, self.end),
            false => at + 2,
        };
        let open = (from..self.end).find(|at| self.tokens[*at].opens(b'('));
        let Some(open) = open.filter(|_| named) else {
            return;
        };
        if let Some((brace, false)) = self.braces.last() {
            let scope = *brace..self.past(*brace);
            let scopes = self
                .locals
                .scopes
                .entry(self.tokens[at + 1].name)
                .or_default();
            scopes.push(scope);
        }
        let close = self.past(open);
        let body = (close..self.end).find(|at| {
            let token = self.tokens[*at];
            token.opens(b'{') || token.is(b';')
        });
        if let Some(body) = body.filter(|body| self.tokens[*body].opens(b'{')) {
            self.parameters(open + 1..close, body..self.past(body));
        }
    }
}
