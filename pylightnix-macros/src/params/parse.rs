//! Parses a struct into its model.

use quote::ToTokens;
use syn::{Attribute, DeriveInput, Expr, ExprLit, Lit, Meta, Type};

use super::model::{Default, Field, FieldKind, Params};
use crate::faults::Faults;
use crate::library::{self, Library};
use crate::named_fields::{FieldMessages, named_fields};
use crate::names;
use crate::options::{OptionForm, OptionHost, OptionSpec, Options};

const PARAM: OptionHost = OptionHost {
    name: "`#[param(..)]`",
    allows: &[
        OptionSpec {
            key: "default",
            form: OptionForm::FlagOrExpr,
            example: "default` or `default = 500",
        },
        OptionSpec {
            key: "nested",
            form: OptionForm::Flag,
            example: "nested",
        },
        OptionSpec {
            key: "rename",
            form: OptionForm::Text,
            example: "rename = \"key\"",
        },
    ],
    elsewhere: Some((
        ON_THE_STRUCT,
        "above the struct, in a `#[param(..)]` of its own",
    )),
};

const ON_THE_STRUCT: &[OptionSpec] = &[library::OPTION];

pub(super) const STRUCT: OptionHost = OptionHost {
    name: "`#[param(..)]` on the type",
    allows: ON_THE_STRUCT,
    elsewhere: Some((PARAM.allows, "above a field of the struct")),
};

pub(super) fn params(mut input: DeriveInput, faults: &mut Faults) -> Params {
    let library = library(&input.attrs, &names::plain(&input.ident), faults);
    let messages = FieldMessages {
        lifetime: "parameters own their values, so their struct cannot have lifetimes: \
                   use owned types, such as `String` instead of `&str`",
        unnamed: &format!(
            "parameters need names: write `struct {} {{ name: Type, .. }}`",
            input.ident
        ),
        of_enum: "parameters are the fields of a struct: make the enum the type of one of them, with \
                  `#[derive(ParamEnum, Serialize, Deserialize)]`",
        of_union: "parameters are the fields of a struct, not of a union",
    };
    let fields = named_fields(&mut input, &messages, faults);
    Params {
        ident: input.ident,
        generics: input.generics,
        fields: fields
            .into_iter()
            .filter_map(|it| field(it, faults))
            .collect(),
        library,
    }
}

/// Parses the attributes of the type, which name the library.
pub(super) fn library(attrs: &[Attribute], of: &str, faults: &mut Faults) -> Library {
    let mut options = Options::default();
    read(
        attrs,
        &STRUCT,
        "#[param(crate = path)]",
        &mut options,
        faults,
    );
    Library::new(options.path("crate"), &format!("params_{of}"))
}

/// Reads all `#[param(..)]` among the attributes.
fn read(
    attrs: &[Attribute],
    host: &OptionHost,
    example: &str,
    options: &mut Options,
    faults: &mut Faults,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("param")) {
        match &attr.meta {
            Meta::List(list) => options.read(list.tokens.clone(), host, faults),
            other => faults.of(other, format!("write options in parentheses: `{example}`")),
        }
    }
}

fn field(field: syn::Field, faults: &mut Faults) -> Option<Field> {
    let ident = field.ident?;
    let mut options = Options::default();
    let example = "#[param(default = 500)]";
    read(&field.attrs, &PARAM, example, &mut options, faults);
    let rename = options.text("rename");
    let default = options.flag_or_expr("default");
    let kind = match options.flag("nested") {
        Some(nested) => {
            if let Some(default) = default {
                faults.of(
                    &default.key,
                    "a group of parameters has no default of its own: give one to each of its fields",
                );
            }
            if is_option(&field.ty) {
                faults.of(
                    &nested,
                    "`nested` goes on a struct that derives `Params`, not on an `Option` of one: \
                     make fields of that struct an `Option`",
                );
            }
            FieldKind::Nested
        }
        None => FieldKind::Value {
            default: match default {
                Some(given) => Some(match given.value {
                    Some(expr) => Default::Expr(Box::new(expr)),
                    None => Default::OfType,
                }),
                None => is_option(&field.ty).then_some(Default::OfType),
            },
        },
    };
    Some(Field {
        doc: doc(&field.attrs),
        key: match &rename {
            Some(key) => key.value(),
            None => names::plain(&ident),
        },
        ty: field.ty,
        rename,
        kind,
        ident,
    })
}

/// Returns the first paragraph of the documentation, on one line.
pub(super) fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(pair) if attr.path().is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<String> = lines.collect();
    let text = text.join("\n");
    let lines = text.lines().map(str::trim);
    let first = lines.skip_while(|line| line.is_empty());
    let first: Vec<&str> = first.take_while(|line| !line.is_empty()).collect();
    first.join(" ")
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| {
                last.ident == "Option" && !last.arguments.to_token_stream().is_empty()
            })
        }
        Type::Paren(inner) => is_option(&inner.elem),
        Type::Group(inner) => is_option(&inner.elem),
        _ => false,
    }
}
