//! Generates the code of a tracked helper.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::{Helper, HelperKind};
use crate::{names, uses};

pub(super) fn helper(helper: &Helper) -> TokenStream {
    let (parameters, arguments, bounds) = helper.generics.split_for_impl();
    let (standin, ty, name) = match &helper.kind {
        HelperKind::Value { vis, ident } => {
            // The same visibility, so that one `use` imports both.
            let standin = quote! {
                #[doc(hidden)]
                #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
                #vis struct #ident {}
            };
            (standin, ident.to_token_stream(), names::plain(ident))
        }
        HelperKind::Type { ident } => {
            let ty = quote!(#ident #arguments);
            (TokenStream::new(), ty, names::plain(ident))
        }
        HelperKind::Impl { ty } => {
            let name = crate::fingerprint::text(ty.to_token_stream());
            (TokenStream::new(), ty.to_token_stream(), name)
        }
    };
    let (code, library) = (&helper.code, &helper.library);
    let uses = uses::list(&helper.uses, library);
    let implementation = library.around(quote! {
        #[automatically_derived]
        #[allow(non_local_definitions)]
        impl #parameters #library::plan::Track for #ty #bounds {
            fn tracked() -> #library::__private::Tracked {
                #library::__private::Tracked::new(#name, #code, #uses)
            }
        }
    });
    quote!(#standin #implementation)
}
