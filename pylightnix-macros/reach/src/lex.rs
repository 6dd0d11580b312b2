//! Cuts a source file into tokens.
//!
//! The tokens are those of the [Rust reference](https://doc.rust-lang.org/reference/tokens.html), except that each
//! character of an operator is a token. Text that is no Rust at all gives tokens too, and never an error: what does not
//! compile is the business of the compiler. The lexer that rustc publishes would refuse to compile when two crates that it
//! is built on have Unicode tables of different years, and the lexer of `proc_macro` ends the compilation at a file of
//! another edition; so it is written out here, and a test compares it with that of `proc-macro2`.

use crate::names::{Name, Names};

/// A token, with the line that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// The text of a word, a lifetime, a literal or a doc comment.
    pub(crate) name: Name,
    /// The line in the file, from 1.
    pub(crate) line: u32,
    /// The index of the bracket that belongs to this one.
    pub(crate) mate: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    Lifetime,
    /// A literal that is a string of any kind.
    Text,
    /// Another literal.
    Literal,
    /// A doc comment.
    Doc,
    Open(u8),
    Close(u8),
    /// A character of an operator, and whether the next character belongs to an operator too.
    Punct(u8, Joint),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    Alone,
    Joint,
}

impl Token {
    pub(crate) fn is(&self, punct: u8) -> bool {
        matches!(self.kind, TokenKind::Punct(this, _) if this == punct)
    }

    pub(crate) fn opens(&self, bracket: u8) -> bool {
        self.kind == TokenKind::Open(bracket)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.kind, TokenKind::Open(_))
    }

    pub(crate) fn is_close(&self) -> bool {
        matches!(self.kind, TokenKind::Close(_))
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == TokenKind::Word
    }

    pub(crate) fn word(&self, word: Name) -> bool {
        self.kind == TokenKind::Word && self.name == word
    }
}

/// Cuts the source of a file into tokens.
pub(crate) fn lex(source: &str, names: &mut Names) -> Vec<Token> {
    let mut lexer = Lexer {
        source,
        bytes: source.as_bytes(),
        at: 0,
        line: 1,
        tokens: Vec::with_capacity(source.len() / 4),
        open: Vec::new(),
        names,
    };
    lexer.skip_shebang();
    while lexer.at < lexer.bytes.len() {
        lexer.token();
    }
    // A bracket that nothing closes ends with the file.
    let end = lexer.tokens.len().saturating_sub(1);
    for open in lexer.open {
        lexer.tokens[open].mate = end;
    }
    lexer.tokens
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    tokens: Vec<Token>,
    /// The indices of the brackets that are open.
    open: Vec<usize>,
    names: &'a mut Names,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_shebang(&mut self) {
        let is_attribute = || {
            let rest = self.source.strip_prefix("#!").unwrap_or_default();
            rest.trim_start().starts_with('[')
        };
        if self.source.starts_with("#!") && !is_attribute() {
            self.at = self.source.find('\n').unwrap_or(self.source.len());
        }
    }

    fn push(&mut self, kind: TokenKind, start: usize, line: u32) {
        let name = self.names.intern(&self.source[start..self.at]);
        self.tokens.push(Token {
            kind,
            name,
            line,
            mate: self.tokens.len(),
        });
    }

    fn token(&mut self) {
        let (start, line) = (self.at, self.line);
        match self.byte(0) {
            b'\n' => {
                self.line += 1;
                self.at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c' => self.at += 1,
            b'/' if self.byte(1) == b'/' => self.line_comment(),
            b'/' if self.byte(1) == b'*' => self.block_comment(),
            b'"' => {
                self.string();
                self.suffix();
                self.push(TokenKind::Text, start, line);
            }
            b'\'' => self.quote(),
            b'0'..=b'9' => {
                self.number();
                self.push(TokenKind::Literal, start, line);
            }
            byte if starts_word(byte) => self.word(),
            byte @ (b'(' | b'[' | b'{') => {
                self.at += 1;
                self.open.push(self.tokens.len());
                self.push(TokenKind::Open(byte), start, line);
            }
            byte @ (b')' | b']' | b'}') => {
                self.at += 1;
                let this = self.tokens.len();
                self.push(TokenKind::Close(byte), start, line);
                if let Some(open) = self.open.pop() {
                    self.tokens[open].mate = this;
                    self.tokens[this].mate = open;
                }
            }
            byte => {
                self.at += 1;
                let joint = match is_punct(self.byte(0)) {
                    true => Joint::Joint,
                    false => Joint::Alone,
                };
                self.push(TokenKind::Punct(byte, joint), start, line);
            }
        }
    }

    fn line_comment(&mut self) {
        let (start, line) = (self.at, self.line);
        let end = self.source[start..].find('\n');
        self.at = end.map_or(self.source.len(), |end| start + end);
        let text = &self.source[start..self.at];
        let is_doc =
            text.starts_with("//!") || text.starts_with("///") && !text.starts_with("////");
        if is_doc {
            self.push(TokenKind::Doc, start, line);
        }
    }

    fn block_comment(&mut self) {
        let (start, line) = (self.at, self.line);
        let mut depth = 0_u32;
        while self.at < self.bytes.len() {
            match (self.byte(0), self.byte(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                (byte, _) => {
                    self.line += u32::from(byte == b'\n');
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.bytes.len());
        let text = &self.source[start..self.at];
        let outer = text.starts_with("/**") && !text.starts_with("/***") && text != "/**/";
        if outer || text.starts_with("/*!") {
            self.push(TokenKind::Doc, start, line);
        }
    }

    /// Goes past a string in double quotes.
    fn string(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.byte(0) {
                b'\\' => {
                    self.line += u32::from(self.byte(1) == b'\n');
                    self.at += 2;
                }
                b'"' => {
                    self.at += 1;
                    break;
                }
                byte => {
                    self.line += u32::from(byte == b'\n');
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    /// Skips a raw string with this number of `#` before its opening quote.
    fn raw_string(&mut self, hashes: usize) {
        self.at += hashes + 1;
        while self.at < self.bytes.len() {
            let byte = self.byte(0);
            self.at += 1;
            self.line += u32::from(byte == b'\n');
            let closes = byte == b'"' && (0..hashes).all(|ahead| self.byte(ahead) == b'#');
            if closes {
                self.at += hashes;
                break;
            }
        }
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        let (start, line) = (self.at, self.line);
        self.at += 1;
        let next = self.source[self.at..].chars().next();
        let after = next.map_or(0, |next| self.byte(next.len_utf8()));
        match next {
            Some('\\') => self.character(),
            Some(_) if after == b'\'' => self.character(),
            Some(next) if next.is_alphabetic() || next == '_' => {
                self.rest_of_word();
                if &self.source[start..self.at] == "'r" && self.byte(0) == b'#' {
                    self.raw_lifetime();
                }
                self.push(TokenKind::Lifetime, start, line);
                return;
            }
            _ => self.character(),
        }
        self.push(TokenKind::Literal, start, line);
    }

    /// Goes past the rest of `'r#name`.
    fn raw_lifetime(&mut self) {
        if starts_word(self.byte(1)) {
            self.at += 1;
            self.rest_of_word();
        }
    }

    /// Goes past a character, after its first quote.
    fn character(&mut self) {
        match self.byte(0) {
            b'\\' => self.at += 2,
            _ => {
                self.at += self.source[self.at..]
                    .chars()
                    .next()
                    .map_or(0, char::len_utf8)
            }
        }
        while self.at < self.bytes.len() && !matches!(self.byte(0), b'\'' | b'\n') {
            self.at += 1;
        }
        if self.byte(0) == b'\'' {
            self.at += 1;
        }
        self.at = self.at.min(self.bytes.len());
        self.suffix();
    }

    fn number(&mut self) {
        let is_decimal = !(self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'b' | b'o'));
        let mut has_dot = !is_decimal;
        while self.at < self.bytes.len() {
            let byte = self.byte(0);
            let next = self.byte(1);
            if continues_word(byte) {
                self.at += self.source[self.at..]
                    .chars()
                    .next()
                    .map_or(1, char::len_utf8);
                let exponent = is_decimal && matches!(byte, b'e' | b'E');
                let signed = matches!(self.byte(0), b'+' | b'-');
                let digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
                if exponent && signed && digit(self.byte(1)) {
                    self.at += 1;
                }
            } else if byte == b'.' && !has_dot && next != b'.' && !starts_word(next) {
                has_dot = true;
                self.at += 1;
            } else {
                break;
            }
        }
    }

    /// A word, or a literal that begins with one.
    fn word(&mut self) {
        let (start, line) = (self.at, self.line);
        self.rest_of_word();
        let word = &self.source[start..self.at];
        let hashes = (0..).take_while(|ahead| self.byte(*ahead) == b'#').count();
        match word {
            "r" | "br" | "cr" if self.byte(hashes) == b'"' => {
                self.raw_string(hashes);
                self.suffix();
                self.push(TokenKind::Text, start, line);
            }
            "b" | "c" if self.byte(0) == b'"' => {
                self.string();
                self.suffix();
                self.push(TokenKind::Text, start, line);
            }
            "b" if self.byte(0) == b'\'' => {
                self.at += 1;
                self.character();
                self.push(TokenKind::Literal, start, line);
            }
            "r" if hashes == 1 && starts_word(self.byte(1)) => {
                self.at += 1;
                let plain = self.at;
                self.rest_of_word();
                let is_keyword = self
                    .names
                    .find(&self.source[plain..self.at])
                    .is_some_and(Name::is_keyword);
                self.push(
                    TokenKind::Word,
                    if is_keyword { start } else { plain },
                    line,
                );
            }
            _ => self.push(TokenKind::Word, start, line),
        }
    }

    fn rest_of_word(&mut self) {
        let rest = &self.source[self.at..];
        let end = rest.find(|char: char| !(char.is_alphanumeric() || char == '_' || is_mark(char)));
        self.at += end.unwrap_or(rest.len()).max(1);
        while !self.source.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    /// Goes past the suffix of a literal.
    fn suffix(&mut self) {
        if starts_word(self.byte(0)) {
            self.rest_of_word();
        }
    }
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 128
}

fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit()
}

/// Returns whether a character outside of ASCII continues a word although it is no letter, such as a combining accent.
fn is_mark(char: char) -> bool {
    !char.is_ascii() && !char.is_whitespace()
}

fn is_punct(byte: u8) -> bool {
    b"=<>!&|+-*/%^~@.,;:#$?".contains(&byte)
}

#[cfg(test)]
#[path = "lex_tests.rs"]
mod tests;
