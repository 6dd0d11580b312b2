//! Finds what the function of a stage reaches, and generates the list of it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use pylightnix_reach::{Place, Reached, Sources};
use quote::{ToTokens, quote};
use syn::Type;

use super::model::Stage;
use crate::library::Library;
use crate::names;

/// The generated code.
pub(super) struct Generated {
    /// The value of `REACH`.
    pub(super) reach: TokenStream,
    /// The registration of the texts of items that no stage of the crate registered before.
    pub(super) texts: TokenStream,
}

/// The sources of the crate that is compiled.
struct Read {
    /// `None` if they were not found.
    sources: Option<Sources>,
    /// The hashes of the items whose texts are registered.
    registered: BTreeSet<String>,
}

/// The crates that this process of the compiler compiles: one, unless it is the server of an editor.
static READ: Mutex<BTreeMap<String, Read>> = Mutex::new(BTreeMap::new());

pub(super) fn reach(stage: &Stage, item: &TokenStream) -> Generated {
    let library = &stage.library;
    if !stage.follow || stage.version.is_some() {
        return Generated {
            reach: quote!(#library::__private::Reach::OWN),
            texts: TokenStream::new(),
        };
    }
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    match follow(stage, item, &mut read) {
        Ok((reached, registered)) => generate(&reached, registered, library),
        Err(why) => Generated {
            reach: quote!(#library::__private::Reach::fallback(#why)),
            texts: TokenStream::new(),
        },
    }
}

/// Follows the stage; otherwise says in words for people why not.
fn follow<'a>(
    stage: &Stage,
    item: &TokenStream,
    read: &'a mut BTreeMap<String, Read>,
) -> Result<(Reached, &'a mut BTreeSet<String>), &'static str> {
    let ident = &stage.function.signature.ident;
    let file = file_of(ident.span()).ok_or("the compiler does not say where it is written")?;
    let variable = |name: &str| env::var(name).ok();
    let key = ["CARGO_MANIFEST_DIR", "CARGO_CRATE_NAME", "CARGO_BIN_NAME"]
        .map(|name| variable(name).unwrap_or_default())
        .join("\n");
    let Read {
        sources,
        registered,
    } = read.entry(key).or_insert_with(|| Read {
        sources: Sources::around(&file, variable),
        registered: BTreeSet::new(),
    });
    let sources = sources.as_mut().ok_or("its package was not found")?;
    let mut tokens = Vec::new();
    let is_plain = flatten(item.clone(), &mut tokens);
    let is_same = |found: &mut dyn Iterator<Item = &str>| {
        let after_attributes = tokens.iter().skip_while(|token| *token != "fn");
        is_plain && after_attributes.map(String::as_str).eq(found.map(plain))
    };
    let place = Place {
        file: &file,
        name: &names::plain(ident),
    };
    let found = sources
        .stage(&place, is_same)
        .ok_or("it is not written in its file as the compiler sees it: a macro may make it")?;
    let untracked: Vec<Vec<String>> = stage.untracked.iter().map(path).collect();
    Ok((sources.reach(found, &untracked), registered))
}

/// The file that a span is in.
fn file_of(span: Span) -> Option<PathBuf> {
    // In tests there is no compiler to ask.
    if !proc_macro::is_available() {
        return None;
    }
    // Relative to the folder in which the compiler runs.
    std::path::absolute(span.unwrap().local_file()?).ok()
}

/// Lists tokens as texts, without documentation. Returns whether all of them can be in a file, as groups of macros cannot.
fn flatten(stream: TokenStream, tokens: &mut Vec<String>) -> bool {
    let mut is_plain = true;
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => return false,
                };
                tokens.push(open.to_owned());
                is_plain &= flatten(group.stream(), tokens);
                tokens.push(close.to_owned());
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match trees.next() {
                Some(TokenTree::Ident(name)) => tokens.push(format!("'{name}")),
                _ => is_plain = false,
            },
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let is_doc = match trees.peek() {
                    Some(TokenTree::Group(group)) => group.stream().into_iter().next(),
                    _ => None,
                };
                match is_doc {
                    Some(TokenTree::Ident(name)) if name == "doc" => drop(trees.next()),
                    _ => tokens.push("#".to_owned()),
                }
            }
            TokenTree::Ident(ident) => tokens.push(names::plain(&ident)),
            other => tokens.push(other.to_string()),
        }
    }
    is_plain
}

/// A word without the mark of a raw identifier.
fn plain(word: &str) -> &str {
    word.strip_prefix("r#").unwrap_or(word)
}

fn path(ty: &Type) -> Vec<String> {
    let mut words = Vec::new();
    for tree in ty.to_token_stream() {
        if let TokenTree::Ident(ident) = tree {
            words.push(names::plain(&ident));
        }
    }
    words
}

fn generate(reached: &Reached, registered: &mut BTreeSet<String>, library: &Library) -> Generated {
    let items = reached.items.iter().map(|item| {
        let (kind, name, hash, place) = (item.kind, &item.name, &item.hash, &item.place);
        let from = match item.from {
            Some(from) => quote!(#from),
            None => quote!(::std::primitive::usize::MAX),
        };
        quote!((#kind, #name, #hash, #place, #from))
    });
    let conditions = reached.conditions.iter().filter_map(|condition| {
        let predicate: TokenStream = condition.parse().ok()?;
        Some(quote!((#condition, ::std::cfg!(#predicate))))
    });
    let variables = reached.variables.iter();
    let variables = variables.map(|variable| quote!((#variable, ::std::option_env!(#variable))));
    let unseen = &reached.unseen;
    let new: Vec<_> = reached
        .items
        .iter()
        .filter(|item| registered.insert(item.hash.clone()))
        .map(|item| {
            let (hash, text) = (&item.hash, &item.text);
            quote!((#hash, #text))
        })
        .collect();
    let texts = match new.is_empty() {
        true => TokenStream::new(),
        false => quote! {
            #library::__private::submit! {
                #library::__private::ItemTexts(&[#(#new),*])
            }
        },
    };
    Generated {
        reach: quote! {
            #library::__private::Reach {
                items: &[#(#items),*],
                conditions: &[#(#conditions),*],
                variables: &[#(#variables),*],
                unseen: &[#(#unseen),*],
                fallback: #library::__private::None,
            }
        },
        texts,
    }
}
