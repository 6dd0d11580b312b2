//! Generates the list of helpers that `uses(..)` names.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{PathArguments, Type};

use crate::library::Library;
use crate::{names, spans};

/// Generates the list of helpers.
pub(crate) fn list(helpers: &[Type], library: &Library) -> TokenStream {
    let track = quote!(#library::plan::Track);
    let helpers = helpers.iter().map(|it| helper(it, &track));
    quote!(&[#(#helpers),*])
}

fn helper(helper: &Type, track: &TokenStream) -> TokenStream {
    match helper {
        Type::Path(path) if path.qself.is_none() && is_value(&path.path) => value(helper, track),
        _ => spans::item_of(helper, track, "tracked"),
    }
}

/// Generates the entry of a function or a constant. For an untracked function `<helper as Track>` would give the error that
/// the type does not exist. So the code imports the name over an untracked type, which remains visible if the name is not a
/// type: then the error says that the helper is not tracked.
fn value(helper: &Type, track: &TokenStream) -> TokenStream {
    // Use the user's span, so that the whole error points there.
    let standin = Ident::new("Helper", helper.span());
    let tracked = spans::item_of(&standin, track, "tracked");
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

/// Returns whether the path looks like a function or a constant.
fn is_value(path: &syn::Path) -> bool {
    let name = path.segments.last().map(|last| names::plain(&last.ident));
    let is_type =
        |name: String| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    path.segments
        .iter()
        .all(|segment| matches!(segment.arguments, PathArguments::None))
        && !name.is_some_and(is_type)
}
