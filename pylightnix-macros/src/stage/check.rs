//! What is wrong with a stage: what its function has to look like, and its name.

use std::collections::HashSet;

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, GenericParam, ReturnType, Safety, Signature, Type};

use super::model::{Stage, is_concrete};
use crate::faults::Faults;
use crate::names;

pub(super) fn stage(stage: &mut Stage, faults: &mut Faults) {
    let before = faults.count();
    qualifiers(&stage.function.signature, faults);
    arguments(stage, faults);
    output(&stage.function.signature, faults);
    parameters(stage, faults);
    stage.unfit = faults.count() > before;
    cardinality(stage, faults);
    args(stage, faults);
    register(stage, faults);
    name(stage, faults);
    numbers(stage, faults);
}

fn qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(token) = &signature.asyncness {
        faults.of(
            token,
            "a stage is not `async`: stages run on threads of their own; block on what is (`runtime.block_on(..)`)",
        );
    }
    if let Some(token) = &signature.constness {
        faults.of(token, "a stage is not `const`: it runs when it is realized");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        faults.of(
            token,
            "a stage is not `unsafe`: whoever realizes it cannot know what to promise",
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
    // A `self` is refused before.
    let FnArg::Typed(first) = first else { return };
    let first = &*first.ty;
    match (first, &stage.config) {
        (Type::ImplTrait(_), _) | (_, None) => faults.of(
            first,
            format!("a stage takes the build of its config: write `{form}`"),
        ),
        (_, Some(Type::ImplTrait(config))) => faults.of(
            config,
            "a generic stage names its parameter: `fn train<M: Model>(b: &Build<Train<M>>)`",
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
            "a stage takes its build and nothing else: what it needs is a field of its config, or a run-time argument, \
             `#[stage(args(T))]` and `b.arg::<T>()`",
        );
    }
}

fn output(signature: &Signature, faults: &mut Faults) {
    match &signature.output {
        ReturnType::Default => faults.of(
            &signature.ident,
            "a stage can fail: let it return `Result<()>`, or `Result` of the outputs that its config's derive made",
        ),
        ReturnType::Type(_, ty) => {
            if let Type::ImplTrait(ty) = &**ty {
                faults.of(ty, "a stage names what it returns: `Result<()>`, or `Result` of its config's outputs");
            }
        }
    }
}

/// A stage is found by its config: all that it is generic over has to be told by it.
fn parameters(stage: &Stage, faults: &mut Faults) {
    let Some(config) = &stage.config else { return };
    for param in &stage.function.signature.generics.params {
        let Some(ident) = ident(param) else { continue };
        if !is_in(param, config) {
            faults.of(
                ident,
                format!("the config `{}` does not say what `{ident}` is: make it a parameter of the config", text(config)),
            );
        }
    }
}

/// Whether the type names the parameter.
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
            "`fallible` is for one result or its failure, and `many` for several: remove one; several that may fail each \
             are `Vec<DRef<_, Try<One>>>`, each with a config of its own",
        );
    }
}

/// What remains is each type once.
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
                "there is one run-time argument of a type: give the second a type of its own";
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
            "`register` lists the types of a generic stage; this one is registered without it",
        );
    } else if register.value.is_empty() {
        faults.of(
            &register.key,
            "`register` lists the configs that are realized by other processes too: `register(Train<Small>)`",
        );
    }
}

fn name(stage: &Stage, faults: &mut Faults) {
    let Some(name) = &stage.name else {
        let ident = &stage.function.signature.ident;
        if !names::plain(ident).is_ascii() {
            faults.of(
                ident,
                "a stage's name is made of a-z, A-Z, 0-9, `_` and `-`: add `name = \"..\"` to `#[stage(..)]`",
            );
        }
        return;
    };
    let text = name.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || text.len() > 200 || !text.chars().all(allowed) {
        faults.of(
            name,
            "a stage's name is 1 to 200 of the characters a-z, A-Z, 0-9, `_` and `-`",
        );
    }
}

fn numbers(stage: &Stage, faults: &mut Faults) {
    if let Some(nouts) = &stage.nouts
        && nouts.base10_parse::<usize>().unwrap_or(0) == 0
    {
        faults.of(nouts, "a stage runs once at least: `nouts = 1` or more");
    }
    if let Some(version) = &stage.version
        && version.base10_parse::<u64>().is_err()
    {
        faults.of(version, "a version is a number from 0 up: `version = 2`");
    }
}

fn text(tokens: impl ToTokens) -> String {
    crate::fingerprint::text(tokens.to_token_stream())
}
