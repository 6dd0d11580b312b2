//! Files that a stage names in `uses("data/*.csv")`.

use std::env;
use std::path::Path;

use proc_macro2::TokenStream;
use pylightnix_reach::Reached;
use quote::quote;

use super::model::Stage;

/// The files that a stage names.
pub(super) struct Data {
    /// Each pattern with the paths of its files in the package.
    patterns: Vec<(String, Vec<String>)>,
    /// What makes the compiler compile anew when one of the files changes.
    pub(super) dependencies: TokenStream,
    pub(super) errors: TokenStream,
}

/// Finds the files, and adds them to what the stage reaches.
pub(super) fn find(stage: &Stage, reached: &mut Reached) -> Data {
    let mut data = Data {
        patterns: Vec::new(),
        dependencies: TokenStream::new(),
        errors: TokenStream::new(),
    };
    for pattern in &stage.data {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let items = match pylightnix_reach::data(Path::new(&folder), &pattern.value()) {
            Ok(items) => items,
            Err(message) => {
                let message = format!("{message}; patterns begin at the folder of `Cargo.toml`");
                let error = syn::Error::new(pattern.span(), message);
                data.errors.extend(error.into_compile_error());
                continue;
            }
        };
        let files: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        for file in &files {
            let path = format!("/{file}");
            data.dependencies.extend(quote! {
                const _: &[u8] = ::std::include_bytes!(
                    ::std::concat!(::std::env!("CARGO_MANIFEST_DIR"), #path)
                );
            });
        }
        reached.items.extend(items);
        data.patterns.push((pattern.value(), files));
    }
    data
}

impl Data {
    /// Generates the list of the patterns, by which a program sees that there are other files now.
    pub(super) fn list(&self) -> Option<TokenStream> {
        if self.patterns.is_empty() {
            return None;
        }
        let patterns = self
            .patterns
            .iter()
            .map(|(pattern, files)| quote!((#pattern, &[#(#files),*])));
        Some(quote!((::std::env!("CARGO_MANIFEST_DIR"), &[#(#patterns),*])))
    }
}
