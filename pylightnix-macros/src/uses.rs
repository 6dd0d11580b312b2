//! The helpers that `uses(..)` names.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{PathArguments, Type};

use crate::{names, spans};

/// Code of the list of them.
pub(crate) fn list(helpers: &[Type]) -> TokenStream {
    let helpers = helpers.iter().map(helper);
    quote!(&[#(#helpers),*])
}

fn helper(helper: &Type) -> TokenStream {
    match helper {
        Type::Path(path) if path.qself.is_none() && is_value(&path.path) => value(helper),
        _ => spans::item_of(helper, &quote!(::pylightnix::plan::Track), "tracked"),
    }
}

/// A function that is not tracked has no type of its name, and `<helper as Track>` would only be told that it is no
/// type. So the name is imported, as whatever it is, over a type that is not tracked: that one stays when the name is no
/// type's.
fn value(helper: &Type) -> TokenStream {
    // In the user's place, so that all of an error is there.
    let standin = Ident::new("Helper", helper.span());
    let tracked = spans::item_of(&standin, &quote!(::pylightnix::plan::Track), "tracked");
    quote! {
        {
            #[allow(dead_code)]
            struct #standin {}
            {
                #[allow(unused_imports)]
                use #helper as #standin;
                #tracked
            }
        }
    }
}

/// Whether the path looks like that of a function or a constant.
fn is_value(path: &syn::Path) -> bool {
    let name = path.segments.last().map(|last| names::plain(&last.ident));
    let is_type =
        |name: String| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    path.segments
        .iter()
        .all(|segment| matches!(segment.arguments, PathArguments::None))
        && !name.is_some_and(is_type)
}
