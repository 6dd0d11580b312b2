//! Local variables, which hide functions of the same name.

use std::ops::Range;

use crate::lex::Token;
use crate::names::{Name, word};

/// The variables of a function, and where they hide what has the same name outside.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    variables: Vec<(Name, Range<usize>)>,
    /// The functions inside, which do not see the variables around them.
    functions: Vec<Range<usize>>,
}

impl Locals {
    /// Finds the variables in some tokens.
    ///
    /// Only those of a simple `let` and of parameters are found; of the others it is not certain where they hold.
    pub(crate) fn new(tokens: &[Token], range: Range<usize>) -> Self {
        let mut locals = Locals::default();
        let mut braces: Vec<usize> = Vec::new();
        for at in range.clone() {
            let token = tokens[at];
            if token.opens(b'{') {
                braces.push(token.mate.min(range.end));
            } else if token.is_close() && braces.last() == Some(&at) {
                braces.pop();
            } else if token.word(word::LET) {
                let end = braces.last().copied().unwrap_or(range.end);
                locals.binding(tokens, at, end);
            } else if token.word(word::FN) {
                locals.function(tokens, at, range.end);
            }
        }
        locals
    }

    fn binding(&mut self, tokens: &[Token], at: usize, end: usize) {
        let is_mut = tokens
            .get(at + 1)
            .is_some_and(|token| token.word(word::MUT));
        let name = at + 1 + usize::from(is_mut);
        let [variable, after] = match tokens.get(name..name + 2) {
            Some([variable, after]) => [*variable, *after],
            _ => return,
        };
        let is_simple = after.is(b'=') || after.is(b':') || after.is(b';');
        if !variable.is_word() || !is_simple {
            return;
        }
        // It holds after its statement.
        let mut next = name + 1;
        while next < end && !tokens[next].is(b';') {
            next = if tokens[next].is_open() {
                tokens[next].mate + 1
            } else {
                next + 1
            };
        }
        // `if let name = x {` has no `;`: its block is not looked for.
        let is_statement = at == 0 || {
            let before = tokens[at - 1];
            before.is(b';') || before.opens(b'{') || before.is_close()
        };
        if is_statement && next < end {
            self.variables.push((variable.name, next..end));
        }
    }

    fn function(&mut self, tokens: &[Token], at: usize, end: usize) {
        let open = (at..end).find(|at| tokens[*at].opens(b'('));
        let Some(open) = open else { return };
        let close = tokens[open].mate;
        let body = (close..end).find(|at| tokens[*at].opens(b'{') || tokens[*at].is(b';'));
        let Some(body) = body.filter(|body| tokens[*body].opens(b'{')) else {
            return;
        };
        let body = body..tokens[body].mate;
        let mut next = open + 1;
        while next < close {
            let token = tokens[next];
            let is_start =
                tokens[next - 1].is(b',') || next == open + 1 || tokens[next - 1].word(word::MUT);
            let is_name = token.is_word()
                && tokens[next + 1].is(b':')
                && !tokens.get(next + 2).is_some_and(|token| token.is(b':'));
            if is_start && is_name {
                self.variables.push((token.name, body.clone()));
            }
            next = if token.is_open() {
                token.mate + 1
            } else {
                next + 1
            };
        }
        self.functions.push(body);
    }

    /// Returns whether a name at this index is a local variable.
    pub(crate) fn hide(&self, name: Name, at: usize) -> bool {
        self.variables.iter().any(|(variable, scope)| {
            let is_seen = |function: &Range<usize>| {
                !function.contains(&at) || function.contains(&scope.start) || *function == *scope
            };
            *variable == name && scope.contains(&at) && self.functions.iter().all(is_seen)
        })
    }
}
