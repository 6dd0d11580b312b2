//! Parses an item into its model.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Generics, Item, Visibility};

use super::{Helper, HelperKind};
use crate::faults::Faults;
use crate::library::{self, Library};
use crate::options::{OptionForm, OptionHost, OptionSpec, Options};
use crate::{fingerprint, names};

const TRACK: OptionHost = OptionHost {
    name: "`#[track(..)]`",
    allows: &[
        OptionSpec {
            key: "uses",
            form: OptionForm::List,
            example: "uses(helper, Model)",
        },
        library::OPTION,
    ],
    elsewhere: None,
};

pub(super) fn helper(
    options: TokenStream,
    item: TokenStream,
    faults: &mut Faults,
) -> syn::Result<Helper> {
    let mut given = Options::default();
    given.read(options, &TRACK, faults);
    let (kind, generics, code) = match syn::parse2(item)? {
        Item::Fn(mut item) => {
            if let Some(this) = names::find_self(item.sig.to_token_stream()) {
                let message = "a method is tracked with its `impl`: write `#[track]` on the `impl`, and name the type in \
                               `uses(..)`";
                return Err(syn::Error::new(this.span(), message));
            }
            let vis = hide(&mut item.vis);
            let code = text(&item);
            let ident = item.sig.ident;
            // The generated type does not have the generic parameters of the function.
            (HelperKind::Value { vis, ident }, Generics::default(), code)
        }
        Item::Const(mut item) => {
            let vis = hide(&mut item.vis);
            let code = text(&item);
            let ident = item.ident;
            (HelperKind::Value { vis, ident }, Generics::default(), code)
        }
        Item::Struct(mut item) => {
            hide(&mut item.vis);
            let code = text(&item);
            (HelperKind::Type { ident: item.ident }, item.generics, code)
        }
        Item::Enum(mut item) => {
            hide(&mut item.vis);
            let code = text(&item);
            (HelperKind::Type { ident: item.ident }, item.generics, code)
        }
        Item::Impl(item) => {
            let code = text(&item);
            let ty = item.self_ty;
            (HelperKind::Impl { ty }, item.generics, code)
        }
        other => {
            let message =
                "`#[track]` goes on a function, a constant, a struct, an enum or an `impl`";
            return Err(syn::Error::new_spanned(start(&other), message));
        }
    };
    Ok(Helper {
        kind,
        generics,
        code,
        uses: given
            .list("uses")
            .map(|uses| uses.value)
            .unwrap_or_default(),
        library: Library::new(given.path("crate"), "helper"),
    })
}

/// Removes the visibility, which does not influence results.
fn hide(vis: &mut Visibility) -> Visibility {
    std::mem::replace(vis, Visibility::Inherited)
}

fn text(item: impl ToTokens) -> String {
    fingerprint::text(item.to_token_stream())
}

/// Returns the first tokens of an item, for the span of an error.
fn start(item: &Item) -> TokenStream {
    item.to_token_stream().into_iter().take(2).collect()
}
