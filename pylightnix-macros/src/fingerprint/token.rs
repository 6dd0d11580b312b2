//! The tokens that count for a fingerprint, with multi-character operators as single tokens.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use pylightnix_reach::layout;

/// A token as defined by the Rust reference: an operator is one token, regardless of the spacing after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier, a keyword or a lifetime.
    Word(String),
    /// A literal, as written in the source.
    Literal(String),
    Operator(String),
    Open(Delimiter),
    Close(Delimiter),
}

impl Token {
    /// Returns the token in the form in which its text is laid out.
    pub(super) fn laid_out(&self) -> layout::Token<'_> {
        match self {
            Token::Word(text) => layout::Token::Word(text),
            Token::Literal(text) => layout::Token::Literal(text),
            Token::Operator(text) => layout::Token::Operator(text),
            Token::Open(delimiter) => layout::Token::Open(bracket(*delimiter)),
            Token::Close(delimiter) => layout::Token::Close(bracket(*delimiter)),
        }
    }

    pub(super) fn is(&self, operator: &str) -> bool {
        matches!(self, Token::Operator(this) if this == operator)
    }
}

fn bracket(delimiter: Delimiter) -> layout::Delimiter {
    match delimiter {
        Delimiter::Parenthesis => layout::Delimiter::Parenthesis,
        Delimiter::Bracket => layout::Delimiter::Bracket,
        Delimiter::Brace => layout::Delimiter::Brace,
        Delimiter::None => layout::Delimiter::Invisible,
    }
}

/// Attributes that do not influence the behaviour of code.
const IGNORED: [&str; 7] = [
    "doc", "allow", "warn", "deny", "expect", "forbid", "must_use",
];

pub(super) fn walk(code: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    walk_into(code, &mut tokens);
    tokens
}

fn walk_into(code: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = code.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if let Some(len) = ignored_attribute(&trees[at..]) {
            at += len;
            continue;
        }
        at += 1;
        match tree {
            TokenTree::Ident(ident) => tokens.push(Token::Word(ident.to_string())),
            TokenTree::Literal(literal) => tokens.push(Token::Literal(literal.to_string())),
            TokenTree::Group(group) => walk_group(group, tokens),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                // A lifetime: the name follows.
                if let Some(TokenTree::Ident(name)) = trees.get(at) {
                    tokens.push(Token::Word(format!("'{name}")));
                    at += 1;
                }
            }
            TokenTree::Punct(_) => {
                let operator = operator(&trees[at - 1..]);
                at += operator.len() - 1;
                // `<A, B,>`
                let closes = operator == ">" || operator == ">>";
                if closes && ends_with_one_comma(tokens) {
                    tokens.pop();
                }
                tokens.push(Token::Operator(operator));
            }
        }
    }
}

/// Returns the longest operator at the start of `trees`, which begin with a punctuation character.
fn operator(trees: &[TokenTree]) -> String {
    let mut run = String::new();
    for tree in trees {
        let TokenTree::Punct(punct) = tree else { break };
        run.push(punct.as_char());
        if punct.spacing() == Spacing::Alone {
            break;
        }
    }
    let long = layout::OPERATORS
        .iter()
        .find(|operator| run.starts_with(**operator));
    match long {
        Some(operator) => (*operator).to_owned(),
        None => run.chars().take(1).collect(),
    }
}

fn walk_group(group: &Group, tokens: &mut Vec<Token>) {
    let delimiter = group.delimiter();
    tokens.push(Token::Open(delimiter));
    let start = tokens.len();
    walk_into(group.stream(), tokens);
    let (before, inner) = tokens.split_at(start);
    // `(,)` and `(a,,)` are not lists: they can only be arguments of a macro, where the comma may matter.
    if inner.len() > 1
        && ends_with_one_comma(inner)
        && match delimiter {
            Delimiter::Bracket | Delimiter::Brace => true,
            Delimiter::Parenthesis => is_call(&before[..start - 1]) || has_two_items(group),
            Delimiter::None => false,
        }
    {
        tokens.pop();
    }
    tokens.push(Token::Close(delimiter));
}

fn ends_with_one_comma(tokens: &[Token]) -> bool {
    match tokens {
        [.., before, last] => last.is(",") && !before.is(","),
        [last] => last.is(","),
        [] => false,
    }
}

fn is_comma(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ',')
}

/// Returns whether a parenthesis after `before` holds arguments, not a tuple. In doubt it is a tuple: then a trailing comma
/// counts although it need not, which is safe.
fn is_call(before: &[Token]) -> bool {
    match before {
        [.., Token::Word(word)] => is_name(word) || word == "fn" || word == "Self",
        [.., Token::Word(word), bang] if bang.is("!") => is_name(word),
        [.., last] if last.is(">") || last.is(">>") => closes_parameters(before),
        _ => false,
    }
}

/// Returns whether the `>` at the end closes the `<` of a `::<` or of a `fn name<`.
fn closes_parameters(before: &[Token]) -> bool {
    let mut depth = 0;
    for (at, token) in before.iter().enumerate().rev() {
        match token {
            Token::Operator(operator) => match operator.as_str() {
                ">" => depth += 1,
                ">>" => depth += 2,
                "<" => depth -= 1,
                "<<" => depth -= 2,
                ";" => return false,
                _ => {}
            },
            Token::Close(Delimiter::Brace) => return false,
            _ => {}
        }
        if depth <= 0 {
            return match &before[..at] {
                [.., last] if last.is("::") => true,
                [.., Token::Word(word), Token::Word(_)] => word == "fn",
                _ => false,
            };
        }
    }
    false
}

/// Returns whether the group certainly has two or more items. A comma between `<` and `>` may separate type arguments.
fn has_two_items(group: &Group) -> bool {
    let mut tokens = Vec::new();
    walk_into(group.stream(), &mut tokens);
    tokens.pop();
    let (mut nested, mut depth) = (0_usize, 0_i32);
    for token in &tokens {
        match token {
            Token::Open(_) => nested += 1,
            Token::Close(_) => nested -= 1,
            Token::Operator(operator) if nested == 0 => match operator.as_str() {
                "<" => depth += 1,
                "<<" => depth += 2,
                ">" => depth -= 1,
                ">>" => depth -= 2,
                "," if depth == 0 => return true,
                _ => {}
            },
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    false
}

/// Returns whether a word is a name, not a keyword or a lifetime.
fn is_name(word: &str) -> bool {
    !word.starts_with('\'')
        && (word.starts_with("r#") || syn::parse_str::<syn::Ident>(word).is_ok())
}

/// Returns the number of token trees of an ignored attribute at the start of `trees`, if there is one.
fn ignored_attribute(trees: &[TokenTree]) -> Option<usize> {
    let is_punct = |tree: Option<&TokenTree>, char| matches!(tree, Some(TokenTree::Punct(it)) if it.as_char() == char);
    if !is_punct(trees.first(), '#') {
        return None;
    }
    let at = if is_punct(trees.get(1), '!') { 2 } else { 1 };
    match trees.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            is_ignored(group.stream()).then_some(at + 1)
        }
        _ => None,
    }
}

fn is_ignored(attribute: TokenStream) -> bool {
    let mut trees = attribute.into_iter();
    let Some(TokenTree::Ident(name)) = trees.next() else {
        return false;
    };
    if name != "cfg_attr" {
        return IGNORED.iter().any(|ignored| name == ignored);
    }
    let Some(TokenTree::Group(arguments)) = trees.next() else {
        return false;
    };
    let arguments: Vec<_> = arguments.stream().into_iter().collect();
    let mut parts = arguments.split(is_comma);
    // The first part is the condition.
    parts.next().is_some()
        && parts
            .filter(|part| !part.is_empty())
            .all(|part| is_ignored(part.iter().cloned().collect()))
}
