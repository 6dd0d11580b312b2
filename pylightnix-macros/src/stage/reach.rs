//! Finds what the function of a stage reaches, and generates the list of it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use pylightnix_reach::{Place, Reached, Sources};
use quote::{ToTokens, quote};
use syn::Type;

use super::model::Stage;
use crate::library::Library;
use crate::names;

/// The version of a crate that `Cargo.lock` does not have.
const UNKNOWN: &str = "unknown";

/// The generated code.
pub(super) struct Generated {
    /// The value of `REACH`.
    pub(super) reach: TokenStream,
    /// The registration of the texts of items that no stage of the crate registered before.
    pub(super) texts: TokenStream,
}

/// The sources of the crate that is compiled.
struct Read {
    sources: Sources,
    /// The hashes of the items whose texts are registered.
    registered: BTreeSet<String>,
}

/// The crates that this process of the compiler compiles: one, unless it is the server of an editor. `None` if the package of
/// one was not found.
static READ: Mutex<BTreeMap<String, Option<Read>>> = Mutex::new(BTreeMap::new());

pub(super) fn reach(stage: &Stage, item: &TokenStream) -> Generated {
    let library = &stage.library;
    let mut crates = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let (reach, texts) = match read(stage, &mut crates) {
        Ok((file, read)) => of_package(stage, item, &file, read),
        Err(_) if !is_followed(stage) => (own(library), TokenStream::new()),
        Err(why) => (fallback(why, library), TokenStream::new()),
    };
    Generated { reach, texts }
}

/// Generates the reach of a stage whose package is known, with the features of the package, and the texts.
fn of_package(
    stage: &Stage,
    item: &TokenStream,
    file: &Path,
    read: &mut Read,
) -> (TokenStream, TokenStream) {
    let library = &stage.library;
    let features = read.sources.features().iter();
    let features = features.map(|name| quote!((#name, ::std::cfg!(feature = #name))));
    let features = quote!(features: #library::__private::Some(&[#(#features),*]));
    let with_features = |reach: TokenStream| {
        let reach = quote!(#library::__private::Reach { #features, ..#reach });
        (reach, TokenStream::new())
    };
    if !is_followed(stage) {
        return with_features(own(library));
    }
    match follow(stage, item, file, &mut read.sources) {
        Ok(reached) => generate(&reached, &features, &mut read.registered, library),
        Err(why) => with_features(fallback(why, library)),
    }
}

fn is_followed(stage: &Stage) -> bool {
    stage.follow && stage.version.is_none()
}

fn own(library: &Library) -> TokenStream {
    quote!(#library::__private::Reach::OWN)
}

fn fallback(why: &str, library: &Library) -> TokenStream {
    quote!(#library::__private::Reach::fallback(#why))
}

/// Finds the file of a stage and the sources of its package; otherwise says in words for people why not.
fn read<'a>(
    stage: &Stage,
    crates: &'a mut BTreeMap<String, Option<Read>>,
) -> Result<(PathBuf, &'a mut Read), &'static str> {
    let span = stage.function.signature.ident.span();
    let file = file_of(span).ok_or("the compiler does not say where it is written")?;
    let variable = |name: &str| env::var(name).ok();
    let key = ["CARGO_MANIFEST_DIR", "CARGO_CRATE_NAME", "CARGO_BIN_NAME"]
        .map(|name| variable(name).unwrap_or_default())
        .join("\n");
    let read = crates.entry(key).or_insert_with(|| {
        Some(Read {
            sources: Sources::around(&file, variable)?,
            registered: BTreeSet::new(),
        })
    });
    let read = read.as_mut().ok_or("its package was not found")?;
    Ok((file, read))
}

/// Follows the stage; otherwise says in words for people why not.
fn follow(
    stage: &Stage,
    item: &TokenStream,
    file: &Path,
    sources: &mut Sources,
) -> Result<Reached, &'static str> {
    let mut tokens = Vec::new();
    let is_plain = flatten(item.clone(), &mut tokens);
    let is_same = |found: &mut dyn Iterator<Item = &str>| {
        let after_attributes = tokens.iter().skip_while(|token| *token != "fn");
        is_plain && after_attributes.map(String::as_str).eq(found.map(plain))
    };
    let ident = &stage.function.signature.ident;
    let place = Place {
        file,
        name: &names::plain(ident),
        // Only the compiler knows a file, and so the line in it.
        line: Some(ident.span().unwrap().line()),
    };
    let found = sources
        .stage(&place, is_same)
        .ok_or("it is not written in its file as the compiler sees it: a macro may make it")?;
    let untracked: Vec<Vec<String>> = stage.untracked.iter().map(path).collect();
    Ok(sources.reach(found, &untracked))
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

/// Generates the reach of a stage that was followed, and the registration of the texts.
fn generate(
    reached: &Reached,
    features: &TokenStream,
    registered: &mut BTreeSet<String>,
    library: &Library,
) -> (TokenStream, TokenStream) {
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
    let crates = reached.crates.iter().map(|found| {
        let (name, version) = (&found.name, found.version.as_deref().unwrap_or(UNKNOWN));
        quote!((#name, #version))
    });
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
    let reach = quote! {
        #library::__private::Reach {
            items: &[#(#items),*],
            conditions: &[#(#conditions),*],
            variables: &[#(#variables),*],
            unseen: &[#(#unseen),*],
            fallback: #library::__private::None,
            #features,
            crates: &[#(#crates),*],
        }
    };
    (reach, texts)
}
