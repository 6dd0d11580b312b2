//! Parses a function into its model.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, DeriveInput, Expr, FnArg, GenericArgument, PathArguments, Type};

use super::model::{Function, Limits, Sealing, Stage};
use crate::faults::Faults;
use crate::library::{self, Library};
use crate::options::{OptionForm, OptionHost, OptionSpec, Options};
use crate::{fingerprint, names};

const STAGE: OptionHost = OptionHost {
    name: "`#[stage(..)]`",
    allows: &[
        OptionSpec {
            key: "name",
            form: OptionForm::Text,
            example: "name = \"anneal\"",
        },
        OptionSpec {
            key: "matcher",
            form: OptionForm::Expr,
            example: "matcher = latest()",
        },
        OptionSpec {
            key: "many",
            form: OptionForm::Flag,
            example: "many",
        },
        OptionSpec {
            key: "fallible",
            form: OptionForm::Flag,
            example: "fallible",
        },
        OptionSpec {
            key: "nouts",
            form: OptionForm::Number,
            example: "nouts = 3",
        },
        OptionSpec {
            key: "version",
            form: OptionForm::Number,
            example: "version = 2",
        },
        OptionSpec {
            key: "uses",
            form: OptionForm::ListAndTexts,
            example: "uses(helper, Model, \"data/*.csv\")",
        },
        OptionSpec {
            key: "untracked",
            form: OptionForm::List,
            example: "untracked(log, plot::draw)",
        },
        OptionSpec {
            key: "follow",
            form: OptionForm::Switch,
            example: "follow = false",
        },
        OptionSpec {
            key: "counts",
            form: OptionForm::Words,
            example: "counts(rustc, crates(ndarray))",
        },
        OptionSpec {
            key: "reads",
            form: OptionForm::Word,
            example: "reads = artifacts",
        },
        OptionSpec {
            key: "retries",
            form: OptionForm::Number,
            example: "retries = 3",
        },
        OptionSpec {
            key: "timeout",
            form: OptionForm::Text,
            example: "timeout = \"2h30m\"",
        },
        OptionSpec {
            key: "threads",
            form: OptionForm::Number,
            example: "threads = 4",
        },
        OptionSpec {
            key: "memory",
            form: OptionForm::Text,
            example: "memory = \"8GiB\"",
        },
        OptionSpec {
            key: "resources",
            form: OptionForm::Amounts,
            example: "resources(gpu = 1)",
        },
        OptionSpec {
            key: "sealed",
            form: OptionForm::Flag,
            example: "sealed",
        },
        OptionSpec {
            key: "network",
            form: OptionForm::Flag,
            example: "network",
        },
        OptionSpec {
            key: "read",
            form: OptionForm::Texts,
            example: "read(\"/data/x\")",
        },
        OptionSpec {
            key: "args",
            form: OptionForm::List,
            example: "args(Verbosity, Token)",
        },
        OptionSpec {
            key: "register",
            form: OptionForm::List,
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
    let (uses, data) = given.list_and_texts("uses");
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
        uses,
        data,
        untracked: given
            .list("untracked")
            .map(|untracked| untracked.value)
            .unwrap_or_default(),
        follow: given.switch("follow").unwrap_or(true),
        counts: given.words("counts"),
        reads: given.word("reads"),
        args: given.list("args"),
        register: given.list("register"),
        limits: Limits {
            retries: given.number("retries"),
            timeout: given.text("timeout"),
            threads: given.number("threads"),
            memory: given.text("memory"),
            resources: given.amounts("resources"),
        },
        sealing: Sealing {
            sealed: given.flag("sealed"),
            network: given.flag("network"),
            read: given.texts("read"),
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
