//! The model of a config.

use proc_macro2::Ident;
use syn::{Attribute, Expr, Generics, LitStr, Type, Visibility};

use crate::library::Library;

/// A struct with `#[derive(Config)]`.
pub(super) struct Config {
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) fields: Vec<Field>,
    pub(super) library: Library,
}

/// A field of a config.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) docs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) ty: Type,
    /// The key in the JSON.
    pub(super) key: String,
    /// The value of `rename`, if it is given.
    pub(super) rename: Option<LitStr>,
    pub(super) kind: FieldKind,
}

/// The kind of a field.
#[derive(Clone)]
pub(super) enum FieldKind {
    /// `#[selfref("path")]`
    Promise(Promise),
    /// `#[dref]`
    Dep { default: Option<Default> },
    /// Any other field.
    Plain {
        default: Option<Default>,
        omit_default: bool,
        unhashed: bool,
    },
}

/// An artifact that the stage promises.
#[derive(Clone)]
pub(super) struct Promise {
    /// The path; `None` if it is invalid, which was reported before.
    pub(super) path: Option<LitStr>,
    /// The type of the format; `None` for an opaque file or folder.
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
    /// Returns the default of the field, if it has one.
    pub(super) fn default(&self) -> Option<&Default> {
        match &self.kind {
            FieldKind::Promise(_) => None,
            FieldKind::Dep { default } | FieldKind::Plain { default, .. } => default.as_ref(),
        }
    }

    /// Returns whether `new` takes the field as an argument.
    pub(super) fn is_required(&self) -> bool {
        !matches!(self.kind, FieldKind::Promise(_)) && self.default().is_none()
    }
}

impl Config {
    /// Iterates over the promises and their fields, in order.
    pub(super) fn promises(&self) -> impl Iterator<Item = (&Field, &Promise)> {
        self.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::Promise(promise) => Some((field, promise)),
            _ => None,
        })
    }
}
