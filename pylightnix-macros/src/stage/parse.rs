//! Parses a function into its model.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, DeriveInput, Expr, FnArg, GenericArgument, PathArguments, Type};

use super::model::{Function, Limits, Stage};
use crate::faults::Faults;
use crate::library::{self, Library};
use crate::options::{Form, Options, Place, Spec};
use crate::{fingerprint, names};

const STAGE: Place = Place {
    name: "`#[stage(..)]`",
    allows: &[
        Spec {
            key: "name",
            form: Form::Text,
            example: "name = \"anneal\"",
        },
        Spec {
            key: "matcher",
            form: Form::Expr,
            example: "matcher = latest()",
        },
        Spec {
            key: "many",
            form: Form::Flag,
            example: "many",
        },
        Spec {
            key: "fallible",
            form: Form::Flag,
            example: "fallible",
        },
        Spec {
            key: "nouts",
            form: Form::Number,
            example: "nouts = 3",
        },
        Spec {
            key: "version",
            form: Form::Number,
            example: "version = 2",
        },
        Spec {
            key: "uses",
            form: Form::List,
            example: "uses(helper, Model)",
        },
        Spec {
            key: "retries",
            form: Form::Number,
            example: "retries = 3",
        },
        Spec {
            key: "timeout",
            form: Form::Text,
            example: "timeout = \"2h30m\"",
        },
        Spec {
            key: "threads",
            form: Form::Number,
            example: "threads = 4",
        },
        Spec {
            key: "memory",
            form: Form::Text,
            example: "memory = \"8GiB\"",
        },
        Spec {
            key: "resources",
            form: Form::Amounts,
            example: "resources(gpu = 1)",
        },
        Spec {
            key: "args",
            form: Form::List,
            example: "args(Verbosity, Token)",
        },
        Spec {
            key: "register",
            form: Form::List,
            example: "register(Train<Small>, Train<Large>)",
        },
        library::OPTION,
    ],
    elsewhere: None,
};

pub(super) fn stage(
    options: TokenStream,
    item: TokenStream,
    faults: &mut Faults,
) -> syn::Result<Stage> {
    let mut given = Options::default();
    given.read(options, &STAGE, faults);
    if let Ok(other) = syn::parse2::<DeriveInput>(item.clone()) {
        let message = format!(
            "`#[stage]` goes on a function, `#[derive(Config)]` on the struct: write \
             `fn name(b: &Build<{}>) -> Result<()>`",
            other.ident
        );
        return Err(syn::Error::new(other.ident.span(), message));
    }
    let function: Function = syn::parse2(item)?;
    if let Some(this) = names::find_self(function.signature.to_token_stream()) {
        return Err(in_an_impl(&function, &this));
    }
    let config = function.signature.inputs.iter().find_map(config_of);
    Ok(Stage {
        is_invalid: false,
        config,
        name: given.text("name"),
        matcher: given.expr("matcher").map(ungrouped),
        many: given.flag("many"),
        fallible: given.flag("fallible"),
        nouts: given.number("nouts"),
        version: given.number("version"),
        uses: given
            .list("uses")
            .map(|uses| uses.value)
            .unwrap_or_default(),
        args: given.list("args"),
        register: given.list("register"),
        limits: Limits {
            retries: given.number("retries"),
            timeout: given.text("timeout"),
            threads: given.number("threads"),
            memory: given.text("memory"),
            resources: given.amounts("resources"),
        },
        library: Library::new(given.path("crate"), "stage"),
        function,
    })
}

/// Removes the invisible groups that macros put around expressions.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

/// Reports a function in an `impl`, where no code can be generated beside it.
fn in_an_impl(function: &Function, this: &Ident) -> syn::Error {
    let config = match function.signature.inputs.iter().find_map(config_of) {
        Some(config) if !names::has_ident(config.to_token_stream(), "Self") => {
            fingerprint::text(config.to_token_stream())
        }
        _ => "MyConfig".to_owned(),
    };
    let name = &function.signature.ident;
    let message = format!(
        "a stage cannot be in an `impl`: move it out, and write `fn {name}(b: &Build<{config}>)`"
    );
    syn::Error::new(this.span(), message)
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Function {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            signature: input.parse()?,
            body: input.parse()?,
        })
    }
}

/// Returns the `C` in `&Build<C>`, with any path to `Build`.
fn config_of(argument: &FnArg) -> Option<Type> {
    let FnArg::Typed(argument) = argument else {
        return None;
    };
    let mut ty = &*argument.ty;
    while let Type::Reference(reference) = ty {
        ty = &reference.elem;
    }
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match (last.ident == "Build", arguments.args.first()) {
        (true, Some(GenericArgument::Type(config))) => Some(config.clone()),
        _ => None,
    }
}
