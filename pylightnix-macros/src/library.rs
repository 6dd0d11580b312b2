//! By which path generated code names the library.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;

use crate::options::{Form, Spec};

/// The option that all three macros take.
pub(crate) const OPTION: Spec = Spec {
    key: "crate",
    form: Form::Path,
    example: "crate = other_crate::pylightnix",
};

/// The library as generated code names it.
#[derive(Clone)]
pub(crate) enum Library {
    /// `::pylightnix`
    Usual,
    /// What `crate = path` says, imported by a name of ours: so a path that leads nowhere is said once, where it is written.
    At { path: Path, name: Ident },
}

impl Library {
    /// `of` tells the item that the code is for from others beside it.
    pub(crate) fn new(path: Option<Path>, of: &str) -> Self {
        match path {
            None => Library::Usual,
            Some(path) => Library::At {
                path,
                name: format_ident!("__library_of_{of}"),
            },
        }
    }

    /// What has to stand where the name is used.
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

    /// Code that nobody else names, with the import that it needs.
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

    /// The same at a place of the user's code, for what the compiler says of that.
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
