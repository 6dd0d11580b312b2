//! The helpers that `uses(..)` names.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{PathArguments, Type};

/// Code of the list of them.
pub(crate) fn list(helpers: &[Type]) -> TokenStream {
    let helpers = helpers.iter().map(helper);
    quote!(&[#(#helpers),*])
}

/// A function that is not tracked has no type of its name, and `<helper as Track>` would only be told that it is no
/// type. So the name is imported, as whatever it is, over a type that is not tracked: that one stays when the name is no
/// type's.
fn helper(helper: &Type) -> TokenStream {
    let span = helper.span();
    match helper {
        Type::Path(path) if path.qself.is_none() && is_plain(&path.path) => {
            let untracked = quote_spanned!(span.resolved_at(Span::mixed_site())=> Helper);
            let tracked = quote_spanned!(span=> <#untracked as ::pylightnix::plan::Track>::tracked);
            quote! {
                {
                    #[allow(dead_code)]
                    struct #untracked {}
                    {
                        use #helper as #untracked;
                        #tracked
                    }
                }
            }
        }
        _ => quote_spanned!(span=> <#helper as ::pylightnix::plan::Track>::tracked),
    }
}

fn is_plain(path: &syn::Path) -> bool {
    path.segments
        .iter()
        .all(|segment| matches!(segment.arguments, PathArguments::None))
}
