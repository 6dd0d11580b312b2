//! Formats tokens as readable lines. The rules must not change, because stores keep and compare such texts.

use Delimiter::{Brace, Bracket, Invisible, Parenthesis};

/// A token as the [Rust reference](https://doc.rust-lang.org/reference/tokens.html) defines it: an operator is one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An identifier, a keyword or a lifetime.
    Word(&'a str),
    /// A literal, as it is written in the source.
    Literal(&'a str),
    /// An operator or other punctuation.
    Operator(&'a str),
    /// An opening bracket.
    Open(Delimiter),
    /// A closing bracket.
    Close(Delimiter),
}

/// A kind of brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `( )`
    Parenthesis,
    /// `[ ]`
    Bracket,
    /// `{ }`
    Brace,
    /// Nothing: a group of a `macro_rules` macro.
    Invisible,
}

/// The operators of more than one character, longest first.
pub const OPERATORS: [&str; 25] = [
    "<<=", ">>=", "...", "..=", "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "^=", "&=", "|=", "<<", ">>", "..", "<-",
];

impl Token<'_> {
    fn is(&self, operator: &str) -> bool {
        matches!(self, Token::Operator(this) if *this == operator)
    }
}

/// Returns the text of tokens.
pub fn text(tokens: &[Token<'_>]) -> String {
    let angles = angles(tokens);
    let mut text = String::new();
    let mut indent: usize = 0;
    let mut inside = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let in_braces = inside.last() == Some(&Brace);
        if let Token::Close(delimiter) = token {
            inside.pop();
            indent -= usize::from(*delimiter == Brace);
        }
        if at > 0 {
            let in_block = in_braces && !angles[at - 1].within;
            if breaks(&tokens[at - 1], token, in_block) {
                text.push('\n');
                text.extend(std::iter::repeat_n("    ", indent));
            } else if is_spaced(&tokens[..at], token, &angles[at - 1..=at]) {
                text.push(' ');
            }
        }
        push(token, &mut text);
        if let Token::Open(delimiter) = token {
            inside.push(*delimiter);
            indent += usize::from(*delimiter == Brace);
        }
    }
    text
}

/// The role of a token with respect to `<` and `>` as brackets.
#[derive(Clone, Copy, Default)]
struct Angle {
    opens: bool,
    closes: bool,
    within: bool,
}

/// Guesses which `<` and `>` are brackets. A wrong guess only affects spaces.
fn angles(tokens: &[Token<'_>]) -> Vec<Angle> {
    let mut depth: usize = 0;
    let mut angles = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let mut angle = Angle::default();
        match token {
            Token::Operator(operator) => match *operator {
                "<" if at > 0 && takes_parameters(&tokens[..at]) => {
                    depth += 1;
                    angle.opens = true;
                }
                ">" if depth >= 1 => {
                    depth -= 1;
                    angle.closes = true;
                }
                ">>" if depth >= 2 => {
                    depth -= 2;
                    angle.closes = true;
                }
                ";" => depth = 0,
                _ => {}
            },
            Token::Open(Brace) | Token::Close(Brace) => depth = 0,
            _ => {}
        }
        angle.within = depth > 0;
        angles.push(angle);
    }
    angles
}

fn takes_parameters(before: &[Token<'_>]) -> bool {
    match before {
        [.., Token::Word(word), Token::Word(_)] if *word == "fn" => true,
        [.., Token::Word(word)] => {
            *word == "impl" || *word == "for" || word.starts_with(|c: char| c.is_uppercase())
        }
        [.., last] => last.is("::"),
        [] => false,
    }
}

fn push(token: &Token<'_>, text: &mut String) {
    match token {
        Token::Word(token) | Token::Literal(token) | Token::Operator(token) => text.push_str(token),
        Token::Open(delimiter) => text.push(brackets(*delimiter).0),
        Token::Close(delimiter) => text.push(brackets(*delimiter).1),
    }
}

fn brackets(delimiter: Delimiter) -> (char, char) {
    match delimiter {
        Parenthesis => ('(', ')'),
        Bracket => ('[', ']'),
        Brace => ('{', '}'),
        // A group of a `macro_rules` macro counts like parentheses, but is not a tuple.
        Invisible => ('⟨', '⟩'),
    }
}

/// Returns whether a line ends between two tokens.
fn breaks(before: &Token<'_>, token: &Token<'_>, in_block: bool) -> bool {
    match (before, token) {
        (_, Token::Close(Brace)) => *before != Token::Open(Brace),
        (Token::Open(Brace), _) => true,
        (Token::Close(Brace), Token::Word(word)) => *word != "else" && *word != "as",
        (Token::Close(Brace), Token::Literal(_)) => true,
        (Token::Close(Brace), token) => token.is("#"),
        (Token::Operator(operator), _) => in_block && (*operator == ";" || *operator == ","),
        _ => false,
    }
}

/// Returns whether a space is between the last of `tokens` and `token`. It may be omitted only if the tokens would still be
/// lexed as two. `angles` are the roles of the two tokens.
fn is_spaced(tokens: &[Token<'_>], token: &Token<'_>, angles: &[Angle]) -> bool {
    let (before_before, before) = match tokens {
        [.., two, one] => (Some(two), one),
        [one] => (None, one),
        [] => return false,
    };
    let is_name = |token: Option<&Token<'_>>| match token {
        Some(Token::Word(word)) => !EXPRESSION_FOLLOWS.contains(word),
        _ => false,
    };
    match (before, token) {
        (Token::Open(Brace), Token::Close(Brace)) => false,
        (Token::Open(Parenthesis | Bracket | Invisible), _)
        | (_, Token::Close(Parenthesis | Bracket | Invisible)) => false,
        (_, Token::Operator(operator)) if matches!(*operator, "," | ";" | "?") => false,
        // Without a space `x.0.1` would contain a float literal, and `1.max` and `1..2` might.
        (Token::Literal(_), Token::Operator(operator)) if operator.starts_with('.') => true,
        (Token::Operator(operator), Token::Literal(_)) if *operator == "." => {
            matches!(before_before, Some(Token::Literal(_)))
        }
        (Token::Word(_) | Token::Literal(_) | Token::Close(_), Token::Operator(_))
            if angles[1].opens || angles[1].closes =>
        {
            false
        }
        (Token::Operator(_), Token::Word(_) | Token::Literal(_) | Token::Open(_))
            if angles[0].opens =>
        {
            false
        }
        (Token::Operator(_), Token::Open(Parenthesis)) if angles[0].closes => false,
        (Token::Operator(one), Token::Operator(two)) => {
            !(*one == "::" && *two == "<"
                || *one == "?" && *two == "."
                || angles[0].opens && *two == "&"
                || angles[0].closes && *two == "::")
        }
        (Token::Word(_), Token::Open(Parenthesis | Bracket)) => !is_name(Some(before)),
        (Token::Close(close), Token::Open(Parenthesis | Bracket)) => *close == Brace,
        (Token::Operator(operator), Token::Word(_)) if *operator == "!" => is_name(before_before),
        (Token::Operator(operator), Token::Word(_)) => !matches!(*operator, "." | "::" | "&"),
        (Token::Operator(operator), Token::Open(_)) => !matches!(*operator, "!" | "#" | "&"),
        (Token::Word(_), Token::Operator(operator)) if *operator == "!" => !is_name(Some(before)),
        (Token::Word(_), Token::Operator(operator)) => !matches!(*operator, "::" | ":" | "."),
        (Token::Close(_), Token::Operator(operator)) => !matches!(*operator, "::" | "."),
        _ => true,
    }
}

/// Words after which a bracket does not begin a call and `!` is not a macro.
const EXPRESSION_FOLLOWS: [&str; 15] = [
    "if", "in", "match", "return", "while", "let", "mut", "else", "for", "move", "as", "where",
    "impl", "break", "dyn",
];
