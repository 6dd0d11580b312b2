//! What a config is, to the derive.

use proc_macro2::Ident;
use syn::{Attribute, Expr, Generics, LitStr, Type, Visibility};

/// A struct with `#[derive(Config)]`.
pub(super) struct Config {
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) fields: Vec<Field>,
}

/// One of its fields.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) docs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The key in the JSON.
    pub(super) key: String,
    /// Where the key was written, if it was.
    pub(super) rename: Option<LitStr>,
    pub(super) kind: Kind,
}

/// What a field is.
#[derive(Clone)]
pub(super) enum Kind {
    /// `#[selfref("path")]`
    Promise(Promise),
    /// `#[dref]`
    Dep { default: Option<Default> },
    /// Any other.
    Plain {
        default: Option<Default>,
        omit_default: bool,
        unhashed: bool,
    },
}

/// An artifact that the stage promises.
#[derive(Clone)]
pub(super) struct Promise {
    /// None when it is not said rightly, which is a fault already.
    pub(super) path: Option<LitStr>,
    /// The type of the format; none for an opaque file or folder.
    pub(super) format: Option<Box<Type>>,
}

/// The default of a field.
#[derive(Clone)]
pub(super) enum Default {
    /// `#[config(default)]`
    OfType,
    /// `#[config(default = expr)]`
    Expr(Box<Expr>),
}

impl Field {
    /// The default, if the field has one.
    pub(super) fn default(&self) -> Option<&Default> {
        match &self.kind {
            Kind::Promise(_) => None,
            Kind::Dep { default } | Kind::Plain { default, .. } => default.as_ref(),
        }
    }

    /// Whether `new` asks for it.
    pub(super) fn is_required(&self) -> bool {
        !matches!(self.kind, Kind::Promise(_)) && self.default().is_none()
    }
}

impl Config {
    /// The promises, with their fields, in order.
    pub(super) fn promises(&self) -> impl Iterator<Item = (&Field, &Promise)> {
        self.fields.iter().filter_map(|field| match &field.kind {
            Kind::Promise(promise) => Some((field, promise)),
            _ => None,
        })
    }
}
