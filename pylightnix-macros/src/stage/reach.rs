//! Finds what the function of a stage reaches, and generates the list of it.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use pylightnix_reach::{Place, Reached, Sources};
use quote::{ToTokens, quote};
use syn::Type;

use super::counts::{Counts, counts};
use super::data::{self, Data};
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
    /// Errors of patterns in `uses`, and of what is to count.
    pub(super) errors: TokenStream,
}

/// The sources of the crate that is compiled.
struct Read {
    sources: Sources,
    /// The hashes of the items whose texts are registered.
    registered: BTreeSet<String>,
    /// Whether the manifest was named to the compiler, and the versions of crates were registered.
    is_named: bool,
}

/// The crates that this process of the compiler compiles: one, unless it is the server of an editor. `None` if the package of
/// one was not found.
static READ: Mutex<BTreeMap<String, Option<Read>>> = Mutex::new(BTreeMap::new());

pub(super) fn reach(stage: &Stage, item: &TokenStream) -> Generated {
    let library = &stage.library;
    let is_asked = stage.follow && stage.version.is_none();
    let mut crates = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let mut features = None;
    let mut none = BTreeSet::new();
    let mut manifest = TokenStream::new();
    let found = read(stage, &mut crates);
    let package = found.as_ref().map(|(_, read)| &read.sources);
    let counts = counts(stage, package.map_err(|why| *why));
    let (followed, registered) = match found {
        Ok((file, read)) => {
            manifest = named(read, library);
            features = Some(read.sources.features().to_vec());
            let followed = match is_asked {
                true => follow(stage, item, &file, &mut read.sources).map_err(Some),
                false => Err(None),
            };
            (followed, &mut read.registered)
        }
        Err(why) => (Err(Some(why).filter(|_| is_asked)), &mut none),
    };
    let is_followed = followed.is_ok();
    let (mut reached, fallback) = match followed {
        Ok(reached) => (reached, None),
        Err(why) => (Reached::default(), why),
    };
    let data = data::find(stage, &mut reached);
    let texts = texts(&reached, registered, library);
    let (dependencies, of_data, of_counts) = (&data.dependencies, &data.errors, &counts.errors);
    Generated {
        texts: quote!(#texts #dependencies #manifest),
        errors: quote!(#of_data #of_counts),
        reach: value(&Value {
            reached,
            is_followed,
            fallback,
            features,
            data,
            counts,
            library,
        }),
    }
}

/// Names the manifest to the compiler, once in a crate: what it says counts, so that a change of it compiles the package anew.
/// Registers the versions of crates, too, of which Cargo compiles the package anew.
fn named(read: &mut Read, library: &Library) -> TokenStream {
    if std::mem::replace(&mut read.is_named, true) {
        return TokenStream::new();
    }
    let manifest = read.sources.folder().join("Cargo.toml");
    let manifest = manifest.to_str().map(|manifest| {
        quote!(
            const _: &[u8] = ::std::include_bytes!(#manifest);
        )
    });
    let versions = read.sources.versions();
    let versions = (!versions.is_empty()).then(|| {
        quote! {
            #library::__private::submit! {
                #library::__private::CrateVersions::new(
                    ::std::module_path!(),
                    ::std::option_env!("CARGO_PKG_VERSION"),
                    #versions,
                )
            }
        }
    });
    quote!(#manifest #versions)
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
            is_named: false,
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

/// What the value of `REACH` is made of.
struct Value<'a> {
    reached: Reached,
    is_followed: bool,
    fallback: Option<&'static str>,
    features: Option<Vec<String>>,
    data: Data,
    counts: Counts,
    library: &'a Library,
}

/// Generates the value of `REACH`, of which it names only what is not as in `Reach::OWN`.
fn value(value: &Value<'_>) -> TokenStream {
    let Value {
        reached, library, ..
    } = value;
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
    let unseen = reached.unseen.iter().map(|unseen| quote!(#unseen));
    let breadth = reached.breadth.as_ref().map(|breadth| {
        let (reached, all) = (breadth.reached, breadth.all);
        let because = breadth.because.iter();
        let because = because.map(|(item, alone)| quote!((#item, #alone)));
        quote!(#library::__private::Some((#reached, #all, &[#(#because),*])))
    });
    let mut fields = Vec::new();
    if value.is_followed {
        fields.push(quote!(is_followed: true));
    }
    let mut list = |name: &str, values: Vec<TokenStream>| {
        if !values.is_empty() {
            let name = Ident::new(name, Span::call_site());
            fields.push(quote!(#name: &[#(#values),*]));
        }
    };
    list("items", items.collect());
    list("conditions", conditions.collect());
    list("variables", variables.collect());
    list("unseen", unseen.collect());
    list("crates", crates.collect());
    if let Some(features) = &value.features {
        let features = features.iter();
        let features = features.map(|name| quote!((#name, ::std::cfg!(feature = #name))));
        fields.push(quote!(features: #library::__private::Some(&[#(#features),*])));
    }
    fields.extend(breadth.map(|breadth| quote!(breadth: #breadth)));
    if let Some(counts) = value.counts.list(library) {
        fields.push(quote!(counts: #counts));
    }
    if let Some(data) = value.data.list() {
        fields.push(quote!(data: #data));
    }
    let base = match value.fallback {
        Some(why) => quote!(#library::__private::Reach::fallback(#why)),
        None => quote!(#library::__private::Reach::OWN),
    };
    match fields.is_empty() {
        true => base,
        false => quote!(#library::__private::Reach { #(#fields,)* ..#base }),
    }
}

/// Generates the registration of the texts that are new in this crate.
fn texts(reached: &Reached, registered: &mut BTreeSet<String>, library: &Library) -> TokenStream {
    let new: Vec<_> = reached
        .items
        .iter()
        .filter(|item| registered.insert(item.hash.clone()))
        .map(|item| {
            let (hash, text) = (&item.hash, &item.text);
            quote!((#hash, #text))
        })
        .collect();
    match new.is_empty() {
        true => TokenStream::new(),
        false => quote! {
            #library::__private::submit! {
                #library::__private::ItemTexts(&[#(#new),*])
            }
        },
    }
}
