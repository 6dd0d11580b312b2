//! Compares the tokens of sources with those of `proc-macro2`.

use std::fs;
use std::path::PathBuf;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::*;
use crate::names::Names;

fn ours(source: &str) -> Vec<String> {
    let mut names = Names::new();
    let tokens = lex(source, &mut names);
    let counting = tokens.iter().filter(|token| token.kind != TokenKind::Doc);
    counting
        .map(|token| names.text(token.name).to_owned())
        .collect()
}

fn theirs(source: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    flatten(source.parse().ok()?, &mut all);
    Some(all)
}

fn flatten(stream: TokenStream, all: &mut Vec<String>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                all.push(open.to_owned());
                flatten(group.stream(), all);
                all.push(close.to_owned());
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                let name = trees.next().unwrap();
                all.push(format!("'{name}"));
            }
            // A doc comment becomes an attribute there.
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let is_inner =
                    matches!(trees.peek(), Some(TokenTree::Punct(bang)) if bang.as_char() == '!');
                let bang = is_inner.then(|| trees.next());
                match trees.peek() {
                    Some(TokenTree::Group(group)) if is_doc(group.stream()) => {
                        trees.next();
                    }
                    _ => {
                        all.push("#".to_owned());
                        all.extend(bang.map(|_| "!".to_owned()));
                    }
                }
            }
            TokenTree::Ident(ident) => all.push(plain(&ident.to_string())),
            other => all.push(other.to_string()),
        }
    }
}

fn is_doc(stream: TokenStream) -> bool {
    let text = stream.to_string();
    text.starts_with("doc = \"") || text.starts_with("doc = r")
}

/// `r#name` is `name`, unless that is a keyword.
fn plain(word: &str) -> String {
    let is_keyword = |word| Names::new().intern(word).is_keyword();
    match word.strip_prefix("r#") {
        Some(plain) if !is_keyword(plain) => plain.to_owned(),
        _ => word.to_owned(),
    }
}

/// Attributes `#[doc = ".."]` that are written out are no comments for this lexer.
fn without_docs(tokens: Vec<String>) -> Vec<String> {
    let mut result: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let bang = usize::from(tokens.get(at + 1).is_some_and(|it| it == "!"));
        let is_doc = tokens[at] == "#"
            && tokens.get(at + 1 + bang).is_some_and(|it| it == "[")
            && tokens.get(at + 2 + bang).is_some_and(|it| it == "doc")
            && tokens.get(at + 3 + bang).is_some_and(|it| it == "=")
            && tokens
                .get(at + 4 + bang)
                .is_some_and(|it| it.starts_with(['"', 'r']));
        if is_doc {
            let mut depth = 0;
            loop {
                match tokens[at].as_str() {
                    "[" => depth += 1,
                    "]" => depth -= 1,
                    _ => {}
                }
                at += 1;
                if tokens[at - 1] == "]" && depth == 0 {
                    break;
                }
            }
            continue;
        }
        result.push(tokens[at].clone());
        at += 1;
    }
    result
}

/// `proc-macro2` cuts parts of files, in which a shebang is no comment.
fn without_shebang(source: &str) -> &str {
    match source.split_once('\n') {
        Some((first, rest)) if first.starts_with("#!/") => rest,
        None if source.starts_with("#!/") => "",
        _ => source,
    }
}

/// Returns where the tokens differ, if they do. What `proc-macro2` refuses is not compared.
fn difference(source: &str) -> Option<String> {
    let source = source.replace("\r\n", "\n");
    let theirs = theirs(without_shebang(&source))?;
    let ours = without_docs(ours(&source));
    let differs = ours.iter().zip(&theirs).position(|(one, two)| one != two);
    let around = differs.map(|at| {
        let from = at.saturating_sub(5);
        (
            &ours[from..(at + 5).min(ours.len())],
            &theirs[from..(at + 5).min(theirs.len())],
        )
    });
    (around.is_some() || ours.len() != theirs.len()).then(|| format!("{around:?}"))
}

#[test]
fn hard_tokens_are_cut_as_proc_macro2_cuts_them() {
    let sources = [
        "x.0.1 + 1.0 - 1..2 + 1.max(2) + 1.5e-3_f64 + 0xe-1 + 0b1 + 1e5 + 2.",
        "'a' + 'b: loop { break 'b } + '\\'' + '\\u{1F600}' + b'\\\\' + 'é' + '\"'",
        "\"a\\\"b\" + r\"a\\\" + r#\"a\"b\"# + b\"x\" + br##\"a\"#b\"## + c\"s\" + cr#\"t\"#",
        "r#match + r#plain + r#fn() + café + _x1 + x_ + 'r#fn: loop {} + 'r",
        "/* a /* b */ c */ x /// doc\n /** doc */ y /**/ /***/ z //// no doc\n",
        "fn f<'a, 'static>(x: &'a str) -> Box<dyn Fn(&'_ u8)> { x <<= 1 >>= ..= ... :: -> }",
        "\"a\\\n   b\" 'x' \"\\x41\" 1u8 2.0f32 \"s\"suffix",
    ];
    for source in sources {
        assert_eq!(difference(source), None, "{source}");
    }
}

#[test]
fn text_that_is_no_rust_gives_tokens_too() {
    for source in [
        "\"open",
        "'",
        "/* open",
        "{ ( ] }",
        "r#\"open",
        "#!/bin/sh\nx",
        "é'\"",
        "\\",
        "b'",
        "0x",
    ] {
        ours(source);
    }
}

#[test]
fn every_prefix_of_a_source_ends() {
    let source = include_str!("lex.rs");
    for end in (0..source.len())
        .filter(|end| source.is_char_boundary(*end))
        .step_by(7)
    {
        ours(&source[..end]);
    }
}

/// The sources of this package, or those in `REACH_SOURCES`.
#[test]
fn sources_are_cut_as_proc_macro2_cuts_them() {
    let given = std::env::var_os("REACH_SOURCES");
    let folder = given.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut waiting = vec![PathBuf::from(folder)];
    let mut count = 0;
    let mut wrong = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let is_built = path.ends_with("target") || path.ends_with(".git");
            if path.is_dir() && !is_built {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // What is no text, or a link to nothing, no compiler reads either.
                let Ok(source) = fs::read_to_string(&path) else {
                    continue;
                };
                let found = difference(&source);
                wrong.extend(found.map(|found| format!("{}: {found}", path.display())));
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
    let shown = wrong[..wrong.len().min(20)].join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{shown}",
        wrong.len()
    );
}
