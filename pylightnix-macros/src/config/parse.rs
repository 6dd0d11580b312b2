//! Parses a struct into its model. If an attribute does not fit the type of its field, the type counts, so that the
//! generated code compiles and the reported error remains the only one.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, DeriveInput, LitStr, Meta, Type};

use super::model::{Config, Default, Field, FieldKind, Promise};
use super::shape::{self, Shape};
use crate::faults::Faults;
use crate::library::{self, Library};
use crate::named_fields::{FieldMessages, named_fields};
use crate::names;
use crate::options::{OptionForm, OptionHost, OptionSpec, Options};

const CONFIG: OptionHost = OptionHost {
    name: "`#[config(..)]`",
    allows: &[
        OptionSpec {
            key: "default",
            form: OptionForm::FlagOrExpr,
            example: "default` or `default = 500",
        },
        OptionSpec {
            key: "omit_default",
            form: OptionForm::Flag,
            example: "omit_default",
        },
        OptionSpec {
            key: "unhashed",
            form: OptionForm::Flag,
            example: "unhashed",
        },
        OptionSpec {
            key: "rename",
            form: OptionForm::Text,
            example: "rename = \"key\"",
        },
    ],
    elsewhere: Some((
        ON_THE_STRUCT,
        "above the struct, in a `#[config(..)]` of its own",
    )),
};

const ON_THE_STRUCT: &[OptionSpec] = &[library::OPTION];

const STRUCT: OptionHost = OptionHost {
    name: "`#[config(..)]` on the struct",
    allows: ON_THE_STRUCT,
    elsewhere: Some((CONFIG.allows, "above a field of the config")),
};

pub(super) fn config(mut input: DeriveInput, faults: &mut Faults) -> Config {
    let library = library(&input.attrs, &names::plain(&input.ident), faults);
    let messages = FieldMessages {
        lifetime: "a config owns its fields, so it cannot have lifetimes: \
                   use owned types, such as `String` instead of `&str`",
        unnamed: &format!(
            "the fields of a config need names, which are the keys in the JSON: \
             write `struct {} {{ name: Type, .. }}`",
            input.ident
        ),
        of_enum: "a config is a struct: make the enum a plain field of one, \
                  with `#[derive(Clone, Serialize, Deserialize)]`",
        of_union: "a config is a struct, not a union",
    };
    let fields = named_fields(&mut input, &messages, faults);
    let parameters: Vec<_> = input
        .generics
        .type_params()
        .map(|param| param.ident.to_string())
        .collect();
    Config {
        vis: input.vis,
        ident: input.ident,
        generics: input.generics,
        fields: fields
            .into_iter()
            .filter_map(|it| field(it, &parameters, faults))
            .collect(),
        library,
    }
}

/// Parses the attributes of the struct, which name the library.
fn library(attrs: &[Attribute], config: &str, faults: &mut Faults) -> Library {
    let mut options = Options::default();
    for attr in attrs {
        match &attr.meta {
            Meta::List(list) if attr.path().is_ident("config") => {
                options.read(list.tokens.clone(), &STRUCT, faults);
            }
            _ if is_helper(attr) => {
                let name = attr.path().to_token_stream();
                faults.of(attr, format!("`#[{name}]` goes on a field of the config"));
            }
            _ => {}
        }
    }
    Library::new(options.path("crate"), config)
}

fn is_helper(attr: &Attribute) -> bool {
    ["selfref", "dref", "config"]
        .iter()
        .any(|name| attr.path().is_ident(name))
}

/// The attributes of a field.
#[derive(std::default::Default)]
struct FieldAttributes {
    selfref: Option<Attribute>,
    dref: Option<Attribute>,
    options: Options,
}

impl FieldAttributes {
    fn read(attrs: &[Attribute], faults: &mut Faults) -> Self {
        let mut marks = FieldAttributes::default();
        for attr in attrs {
            if attr.path().is_ident("config") {
                match &attr.meta {
                    Meta::List(list) => marks.options.read(list.tokens.clone(), &CONFIG, faults),
                    other => faults.of(
                        other,
                        "write options in parentheses: `#[config(default)]`, `#[config(default = 500, omit_default)]`, ..",
                    ),
                }
                continue;
            }
            let slot = if attr.path().is_ident("selfref") {
                &mut marks.selfref
            } else if attr.path().is_ident("dref") {
                &mut marks.dref
            } else {
                continue;
            };
            if slot.is_some() {
                let name = attr.path().to_token_stream();
                faults.of(attr, format!("`#[{name}]` given twice: remove one"));
            } else {
                *slot = Some(attr.clone());
            }
        }
        marks
    }
}

fn field(field: syn::Field, parameters: &[String], faults: &mut Faults) -> Option<Field> {
    let ident = field.ident?;
    let mut marks = FieldAttributes::read(&field.attrs, faults);
    let rename = marks.options.text("rename");
    let kind = kind(&ident, &field.ty, &mut marks, parameters, faults);
    Some(Field {
        docs: field
            .attrs
            .into_iter()
            .filter(|attr| attr.path().is_ident("doc"))
            .collect(),
        vis: field.vis,
        ty: field.ty,
        key: match &rename {
            Some(key) => key.value(),
            None => names::plain(&ident),
        },
        rename,
        kind,
        ident,
    })
}

fn kind(
    ident: &syn::Ident,
    ty: &Type,
    marks: &mut FieldAttributes,
    parameters: &[String],
    faults: &mut Faults,
) -> FieldKind {
    if let (Some(_), Some(dref)) = (&marks.selfref, &marks.dref) {
        faults.of(
            dref,
            "a field is either a promise of this stage or a dependency: keep `#[selfref]` or `#[dref]`",
        );
        // Keep the one that fits the type; the other was reported.
        match Shape::of(ty) {
            Shape::Promise => marks.dref = None,
            _ => marks.selfref = None,
        }
    }
    let shape = match Shape::of(ty) {
        // A type parameter may have the bound `Dependency`.
        Shape::Plain if marks.dref.is_some() && is_one_of(ty, parameters) => {
            Shape::Dep { container: false }
        }
        // The type may be an alias of a dependency, with or without a default.
        Shape::Plain if marks.dref.is_some() && shape::may_be_dep(ty) => {
            Shape::Dep { container: true }
        }
        shape => shape,
    };
    match (shape, &marks.selfref, &marks.dref) {
        (Shape::Promise, Some(_), _) | (Shape::Dep { .. }, _, Some(_)) => {}
        (Shape::Plain, None, None) => {}
        (Shape::Promise, None, Some(dref)) => faults.of(
            dref,
            "a `SelfRef` is a promise of this stage: write `#[selfref(\"path\")]`",
        ),
        (Shape::Promise, None, None) => faults.of(
            ty,
            format!("a promise needs the path of its artifact: write `#[selfref(\"{ident}\")]` above the field"),
        ),
        (_, Some(selfref), _) => faults.of(
            selfref,
            "`#[selfref]` goes on a `SelfRef<F>`, where `F` is the format of the artifact, or on a `SelfRef`; an alias of the \
             type hides its format from the macro",
        ),
        (Shape::Dep { .. }, None, None) => faults.of(
            ty,
            "a dependency needs an attribute: write `#[dref]` above the field",
        ),
        (Shape::Plain, None, Some(dref)) => faults.of(
            dref,
            "`#[dref]` goes on a `DRef<C>`, a `RefPath<F>`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those; \
             plain data takes no attribute",
        ),
        (Shape::Holds("SelfRef"), None, _) => faults.of(
            ty,
            "a promise must be a separate field of the type `SelfRef<F>`, with `#[selfref(\"path\")]`",
        ),
        (Shape::Holds(name), None, _) => faults.of(
            ty,
            format!(
                "a `{name}` must be a separate field, or inside an `Option`, a `Vec` or a `BTreeMap<String, _>`, \
                 with `#[dref]`"
            ),
        ),
    }
    match shape {
        Shape::Promise => promise(ty, marks, faults),
        Shape::Dep { container } => dep(container, marks, faults),
        Shape::Plain | Shape::Holds(_) => plain(marks, faults),
    }
}

fn is_one_of(ty: &Type, parameters: &[String]) -> bool {
    let Type::Path(path) = ty else { return false };
    parameters.iter().any(|name| path.path.is_ident(name))
}

fn promise(ty: &Type, marks: &mut FieldAttributes, faults: &mut Faults) -> FieldKind {
    for key in ["default", "omit_default", "unhashed"] {
        if let Some(given) = marks.options.flag_or_expr(key) {
            let reason = "a promise is always part of the identity and has no value";
            faults.of(&given.key, format!("`{key}` goes on plain data: {reason}"));
        }
    }
    FieldKind::Promise(Promise {
        path: marks.selfref.as_ref().and_then(|attr| path(attr, faults)),
        format: shape::format_of(ty).cloned().map(Box::new),
    })
}

fn path(attr: &Attribute, faults: &mut Faults) -> Option<LitStr> {
    let tokens = match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let path = syn::parse2::<LitStr>(tokens.clone()).ok();
    if path.is_none() {
        let message = "`#[selfref]` takes one path as a string: `#[selfref(\"result.npy\")]`";
        match tokens.is_empty() {
            true => faults.of(attr, message),
            false => faults.of(tokens, message),
        }
    }
    path
}

fn dep(container: bool, marks: &mut FieldAttributes, faults: &mut Faults) -> FieldKind {
    if let Some(Meta::List(_) | Meta::NameValue(_)) = marks.dref.as_ref().map(|attr| &attr.meta) {
        faults.of(
            &marks.dref,
            "`#[dref]` has no arguments: the type determines the dependency",
        );
    }
    for key in ["omit_default", "unhashed"] {
        if let Some(given) = marks.options.flag(key) {
            let reason = "a dependency is always part of the identity";
            faults.of(&given, format!("`{key}` goes on plain data: {reason}"));
        }
    }
    let default = marks.options.flag_or_expr("default");
    if let (Some(default), false) = (&default, container) {
        faults.of(
            &default.key,
            "only an `Option`, a `Vec` or a `BTreeMap` of dependencies can have a default",
        );
    }
    FieldKind::Dep {
        default: default
            .filter(|_| container)
            .map(|given| given.value.into()),
    }
}

fn plain(marks: &mut FieldAttributes, faults: &mut Faults) -> FieldKind {
    let default = marks.options.flag_or_expr("default");
    let omit_default = marks.options.flag("omit_default");
    let unhashed = marks.options.flag("unhashed");
    if default.is_none() {
        if let Some(key) = &omit_default {
            faults.of(key, "`omit_default` needs a default: add `default = ..`");
        }
        if let Some(key) = &unhashed {
            faults.of(
                key,
                "`unhashed` needs a default, for configs that are read from a store: add `default = ..`",
            );
        }
    }
    if let (Some(key), Some(_)) = (&omit_default, &unhashed) {
        faults.of(
            key,
            "an `unhashed` field is never in the JSON: remove `omit_default` or `unhashed`",
        );
    }
    FieldKind::Plain {
        omit_default: omit_default.is_some() && default.is_some(),
        unhashed: unhashed.is_some() && default.is_some(),
        default: default.map(|given| given.value.into()),
    }
}

impl From<Option<syn::Expr>> for Default {
    fn from(expr: Option<syn::Expr>) -> Self {
        match expr {
            Some(expr) => Default::Expr(Box::new(expr)),
            None => Default::OfType,
        }
    }
}
