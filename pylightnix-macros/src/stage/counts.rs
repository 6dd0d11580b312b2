//! What counts of the environment: `counts(rustc, crates(ndarray))` of a stage, and `count` in the manifest of its package.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use pylightnix_reach::Sources;
use quote::quote;
use syn::Ident;

use super::model::Stage;
use crate::faults::Faults;
use crate::library::Library;
use crate::names;
use crate::options::Word;

/// What may count, besides versions of crates. The library knows the values.
const NAMES: [&str; 5] = ["rustc", "target", "profile", "flags", "features"];

/// The package of the stage, or why it was not found.
pub(super) type Package<'a> = Result<&'a Sources, &'static str>;

/// What counts of the environment.
pub(super) struct Counts {
    /// The names, with the versions of crates.
    found: BTreeMap<String, Option<String>>,
    pub(super) errors: TokenStream,
}

impl Counts {
    /// Generates the list, unless it is empty.
    pub(super) fn list(&self, library: &Library) -> Option<TokenStream> {
        let entries = self.found.iter().map(|(name, version)| match version {
            Some(version) => quote!((#name, #library::__private::Some(#version))),
            None => quote!((#name, #library::__private::None)),
        });
        (!self.found.is_empty()).then(|| quote!(&[#(#entries),*]))
    }
}

/// Finds what counts.
pub(super) fn counts(stage: &Stage, package: Package<'_>) -> Counts {
    let mut found = BTreeMap::new();
    let mut faults = Faults::default();
    if let Some(given) = &stage.counts {
        if given.value.is_empty() {
            let message = format!(
                "`counts` lists what counts of the environment: {}",
                allowed()
            );
            faults.of(&given.key, message);
        }
        for word in &given.value {
            if let Err(error) = add(word, package, &mut found) {
                faults.add(error);
            }
        }
    }
    for text in package.iter().flat_map(|sources| sources.counts()) {
        let added = syn::parse_str(text).and_then(|word| add(&word, package, &mut found));
        if let Err(error) = added {
            let message = format!(
                "`{text}` in `count` of `[package.metadata.pylightnix]` in Cargo.toml: {error}"
            );
            faults.of(&stage.function.signature.ident, message);
        }
    }
    Counts {
        found,
        errors: faults.into_tokens(),
    }
}

/// Adds what one entry names.
fn add(
    word: &Word,
    package: Package<'_>,
    found: &mut BTreeMap<String, Option<String>>,
) -> syn::Result<()> {
    let known = |ident: &Ident| {
        package.map_err(|why| syn::Error::new(ident.span(), format!("it is not known, as {why}")))
    };
    let name = names::plain(&word.name);
    match &word.inside {
        None if NAMES.contains(&name.as_str()) => {
            if name == "features" {
                known(&word.name)?;
            }
            found.insert(name, None);
        }
        Some(crates) if name == "crates" => {
            for ident in crates {
                let name = names::plain(ident);
                let Some(version) = known(ident)?.version(&name) else {
                    let message = format!(
                        "the version of `{name}` is not known: the nearest Cargo.lock has no package of this name"
                    );
                    return Err(syn::Error::new(ident.span(), message));
                };
                found.insert(format!("crates.{name}"), Some(version));
            }
        }
        _ => {
            let message = format!("not known: what can count is {}", allowed());
            return Err(syn::Error::new(word.name.span(), message));
        }
    }
    Ok(())
}

fn allowed() -> String {
    names::list(NAMES.into_iter().chain(["crates(..)"]))
}
