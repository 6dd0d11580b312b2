//! `#[track]`.

mod expand;
mod parse;

use proc_macro2::{Ident, TokenStream};
use syn::{Generics, Type, Visibility};

use crate::faults::Faults;
use crate::library::Library;

/// A tracked helper.
struct Helper {
    kind: HelperKind,
    generics: Generics,
    /// The text of the item, without its visibility.
    code: String,
    uses: Vec<Type>,
    library: Library,
}

enum HelperKind {
    /// A function or a constant, for which a type of the same name is generated.
    Value { vis: Visibility, ident: Ident },
    /// A struct or an enum.
    Type { ident: Ident },
    /// The methods of a type.
    Impl { ty: Box<Type> },
}

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let helper = parse::helper(options, item.clone(), &mut faults);
    // The item stays as it was written.
    let mut code = item;
    match helper {
        Ok(helper) => {
            code.extend(faults.into_tokens());
            code.extend(expand::helper(&helper));
        }
        Err(error) => {
            faults.add(error);
            code.extend(faults.into_tokens());
        }
    }
    code
}
