//! Collects the errors of an item, so that all are reported at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors of one item.
#[derive(Default)]
pub(crate) struct Faults(Vec<syn::Error>);

impl Faults {
    /// Adds an error about the user's `tokens`.
    pub(crate) fn of(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// Adds an error of a parser.
    pub(crate) fn add(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// Returns the number of errors.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the `compile_error!` calls that report the errors.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}
