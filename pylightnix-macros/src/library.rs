//! The path by which generated code names the library.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;

use crate::options::{OptionForm, OptionSpec};

/// The option `crate`, which all three macros accept.
pub(crate) const OPTION: OptionSpec = OptionSpec {
    key: "crate",
    form: OptionForm::Path,
    example: "crate = other_crate::pylightnix",
};

/// The path of the library in generated code.
#[derive(Clone)]
pub(crate) enum Library {
    /// `::pylightnix`
    Usual,
    /// The path in `crate = path`, imported under a generated name, so that the compiler reports an invalid path once, where
    /// it is written.
    At { path: Path, name: Ident },
}

impl Library {
    /// `of` is the name of the item, so that the generated names of several items in one module differ.
    pub(crate) fn new(path: Option<Path>, of: &str) -> Self {
        match path {
            None => Library::Usual,
            Some(path) => Library::At {
                path,
                name: format_ident!("__library_of_{of}"),
            },
        }
    }

    /// Generates the import that must be in scope where the generated name is used.
    pub(crate) fn import(&self) -> TokenStream {
        match self {
            Library::Usual => TokenStream::new(),
            Library::At { path, name } => quote! {
                #[doc(hidden)]
                #[allow(unused_imports)]
                use #path::__private::library as #name;
            },
        }
    }

    /// Wraps code that defines no names in a block with the import.
    pub(crate) fn around(&self, code: TokenStream) -> TokenStream {
        match self {
            Library::Usual => code,
            Library::At { .. } => {
                let import = self.import();
                quote! {
                    const _: () = {
                        #import
                        #code
                    };
                }
            }
        }
    }

    /// Returns the path with a span in the user's code, where the compiler then reports errors about it.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        match self {
            Library::Usual => quote_spanned!(span=> ::pylightnix),
            Library::At { name, .. } => {
                let mut name = name.clone();
                name.set_span(span.resolved_at(name.span()));
                name.into_token_stream()
            }
        }
    }
}

impl ToTokens for Library {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Library::Usual => tokens.extend(quote!(::pylightnix)),
            Library::At { name, .. } => name.to_tokens(tokens),
        }
    }
}
