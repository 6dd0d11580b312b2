//! The named fields of the struct that a derive macro was given.

use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Field, Fields, GenericParam, Token};

use crate::faults::Faults;

/// What is said of an input that is no struct with named fields, or that borrows.
pub(crate) struct FieldMessages<'a> {
    pub(crate) lifetime: &'a str,
    pub(crate) unnamed: &'a str,
    pub(crate) of_enum: &'a str,
    pub(crate) of_union: &'a str,
}

/// Takes the fields out of the input; none if they were reported.
pub(crate) fn named_fields(
    input: &mut DeriveInput,
    messages: &FieldMessages<'_>,
    faults: &mut Faults,
) -> Punctuated<Field, Token![,]> {
    for param in &input.generics.params {
        if let GenericParam::Lifetime(lifetime) = param {
            faults.of(lifetime, messages.lifetime);
        }
    }
    match &mut input.data {
        Data::Struct(data) => match &mut data.fields {
            Fields::Named(fields) => return std::mem::take(&mut fields.named),
            Fields::Unit => {}
            Fields::Unnamed(fields) => faults.of(fields, messages.unnamed),
        },
        Data::Enum(data) => faults.at(data.enum_token.span, messages.of_enum),
        Data::Union(data) => faults.at(data.union_token.span, messages.of_union),
    }
    Punctuated::new()
}
