//! The model of a struct of parameters.

use proc_macro2::{Ident, TokenStream};
use syn::{Expr, Generics, LitStr, Type};

use crate::library::Library;

/// A struct with `#[derive(Params)]`.
pub(super) struct Params {
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) fields: Vec<Field>,
    pub(super) library: Library,
}

/// A field of such a struct.
pub(super) struct Field {
    pub(super) doc: String,
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The key in files.
    pub(super) key: String,
    /// The value of `rename`, if it is given.
    pub(super) rename: Option<LitStr>,
    pub(super) kind: FieldKind,
}

/// The kind of a field.
pub(super) enum FieldKind {
    /// `#[param(nested)]`: a struct of parameters.
    Nested,
    /// Any other field.
    Value { default: Option<Default> },
}

/// The default of a parameter.
pub(super) enum Default {
    /// That of its type.
    OfType,
    /// A given expression.
    Expr(Box<Expr>),
}

impl Params {
    /// Returns the type with its generic parameters.
    pub(super) fn this(&self) -> TokenStream {
        let (_, arguments, _) = self.generics.split_for_impl();
        let ident = &self.ident;
        quote::quote!(#ident #arguments)
    }
}
