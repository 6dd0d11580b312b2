//! Checks a stage: the signature of its function, its name and its options.

use std::collections::HashSet;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, GenericParam, ReturnType, Safety, Signature, Type};

use super::model::{Stage, is_concrete};
use super::sealing;
use crate::faults::Faults;
use crate::names;

pub(super) fn stage(stage: &mut Stage, faults: &mut Faults) {
    let before = faults.count();
    qualifiers(&stage.function.signature, faults);
    arguments(stage, faults);
    output(&stage.function.signature, faults);
    parameters(stage, faults);
    stage.is_invalid = faults.count() > before;
    cardinality(stage, faults);
    args(stage, faults);
    register(stage, faults);
    name(stage, faults);
    numbers(stage, faults);
    reads(stage, faults);
    sealing::check(&stage.sealing, faults);
}

fn qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(token) = &signature.asyncness {
        faults.of(
            token,
            "a stage cannot be `async`: stages run on their own threads; block on async code (`runtime.block_on(..)`)",
        );
    }
    if let Some(token) = &signature.constness {
        faults.of(
            token,
            "a stage cannot be `const`: it runs when it is realized",
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        faults.of(
            token,
            "a stage cannot be `unsafe`: the library that calls it cannot uphold its requirements",
        );
    }
    if let Some(abi) = &signature.abi {
        faults.of(abi, "a stage is a Rust function: remove the `extern`");
    }
}

fn arguments(stage: &Stage, faults: &mut Faults) {
    let signature = &stage.function.signature;
    let form = format!("fn {}(b: &Build<MyConfig>)", signature.ident);
    let mut inputs = signature.inputs.iter();
    let Some(first) = inputs.next() else {
        return faults.of(
            &signature.ident,
            format!("a stage takes the build of its config: write `{form}`"),
        );
    };
    // A `self` was refused before.
    let FnArg::Typed(first) = first else { return };
    let first = &*first.ty;
    match (first, &stage.config) {
        (Type::ImplTrait(_), _) | (_, None) => faults.of(
            first,
            format!("a stage takes the build of its config: write `{form}`"),
        ),
        (_, Some(Type::ImplTrait(config))) => faults.of(
            config,
            "a generic stage must name its type parameter: `fn train<M: Model>(b: &Build<Train<M>>)`",
        ),
        (Type::Reference(reference), Some(_)) => {
            if let Some(token) = &reference.mutability {
                faults.of(token, "a stage cannot change its build: remove the `mut`");
            }
        }
        (by_value, Some(_)) => faults.of(
            by_value,
            format!(
                "a stage takes its build by reference: write `&{}`",
                text(by_value)
            ),
        ),
    }
    for more in inputs {
        faults.of(
            more,
            "a stage has no other arguments than its build: make it a field of the config, or a run-time argument with \
             `#[stage(args(T))]` and `b.arg::<T>()`",
        );
    }
}

fn output(signature: &Signature, faults: &mut Faults) {
    match &signature.output {
        ReturnType::Default => faults.of(
            &signature.ident,
            "a stage must return a `Result`: `Result<()>`, or `Result` of the outputs struct that `#[derive(Config)]` made",
        ),
        ReturnType::Type(_, ty) => {
            if let Type::ImplTrait(ty) = &**ty {
                faults.of(ty, "a stage must name its return type: `Result<()>`, or `Result` of the outputs of its config");
            }
        }
    }
}

/// Checks that the config determines all generic parameters of the stage, because the stage is looked up by its config.
fn parameters(stage: &Stage, faults: &mut Faults) {
    let Some(config) = &stage.config else { return };
    for param in &stage.function.signature.generics.params {
        let Some(ident) = ident(param) else { continue };
        if !is_in(param, config) {
            faults.of(
                ident,
                format!("the config `{}` does not determine `{ident}`: make it a parameter of the config", text(config)),
            );
        }
    }
}

/// Returns whether the type contains the parameter.
pub(super) fn is_in(param: &GenericParam, ty: &Type) -> bool {
    ident(param).is_some_and(|ident| names::has_ident(ty.to_token_stream(), &ident.to_string()))
}

fn ident(param: &GenericParam) -> Option<&Ident> {
    match param {
        GenericParam::Type(param) => Some(&param.ident),
        GenericParam::Const(param) => Some(&param.ident),
        GenericParam::Lifetime(_) => None,
    }
}

fn cardinality(stage: &Stage, faults: &mut Faults) {
    if let (Some(_), Some(fallible)) = (&stage.many, &stage.fallible) {
        faults.of(
            fallible,
            "`fallible` is for one result or its failure, and `many` for several results: remove one; for several results that \
             may fail separately, use `Vec<DRef<_, Try<One>>>`, with a separate config for each",
        );
    }
}

/// Checks the run-time arguments and removes duplicates.
fn args(stage: &mut Stage, faults: &mut Faults) {
    let Some(args) = &mut stage.args else { return };
    if args.value.is_empty() {
        faults.of(
            &args.key,
            "`args` lists the types of the run-time arguments that the stage takes: `args(Verbosity)`",
        );
    }
    let mut seen = HashSet::new();
    args.value.retain(|arg| {
        let first = seen.insert(text(arg));
        if !first {
            let message =
                "each run-time argument needs a different type: wrap the second one in its own type";
            faults.of(arg, message);
        }
        first
    });
}

fn register(stage: &Stage, faults: &mut Faults) {
    let Some(register) = &stage.register else {
        return;
    };
    if is_concrete(&stage.function.signature.generics) {
        faults.of(
            &register.key,
            "`register` is for generic stages; this one is registered automatically",
        );
    } else if register.value.is_empty() {
        faults.of(
            &register.key,
            "`register` lists the configs that other processes can realize: `register(Train<Small>)`",
        );
    }
}

fn name(stage: &Stage, faults: &mut Faults) {
    let Some(name) = &stage.name else {
        let ident = &stage.function.signature.ident;
        if !names::plain(ident).is_ascii() {
            faults.of(
                ident,
                "the name of a stage consists of a-z, A-Z, 0-9, `_` and `-`: add `name = \"..\"` to `#[stage(..)]`",
            );
        }
        return;
    };
    let text = name.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || text.len() > 200 || !text.chars().all(allowed) {
        faults.of(
            name,
            "the name of a stage consists of 1 to 200 of the characters a-z, A-Z, 0-9, `_` and `-`",
        );
    }
}

fn numbers(stage: &Stage, faults: &mut Faults) {
    if let Some(nouts) = &stage.nouts
        && nouts.base10_parse::<usize>().unwrap_or(0) == 0
    {
        faults.of(
            nouts,
            "a stage runs at least once: write `nouts = 1` or more",
        );
    }
    if let Some(version) = &stage.version
        && version.base10_parse::<u64>().is_err()
    {
        faults.of(
            version,
            "a version is a non-negative integer: `version = 2`",
        );
    }
}

fn reads(stage: &Stage, faults: &mut Faults) {
    if let Some(word) = &stage.reads
        && !["artifacts", "all"].contains(&names::plain(word).as_str())
    {
        faults.of(
            word,
            "what counts as read is `artifacts`, if the path of an artifact leads to this artifact alone, or `all`, if the stage \
             reads what the library does not see",
        );
    }
}

fn text(tokens: impl ToTokens) -> String {
    crate::fingerprint::text(tokens.to_token_stream())
}
