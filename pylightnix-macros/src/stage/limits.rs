//! Checks and generates the limits of a stage: resources, time and retries.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitInt;

use super::model::Limits;
use crate::faults::Faults;
use crate::library::Library;
use crate::{grammar, names};

pub(super) fn check(limits: &Limits, faults: &mut Faults) {
    if let Some(retries) = &limits.retries
        && retries.base10_parse::<u32>().is_err()
    {
        faults.of(
            retries,
            "`retries` is a non-negative integer: `retries = 3`",
        );
    }
    if let Some(timeout) = &limits.timeout {
        match grammar::duration(&timeout.value()) {
            Err(misread) => faults.of(timeout, misread),
            Ok(Duration::ZERO) => faults.of(
                timeout,
                "a time limit of zero stops every run: raise it, or remove `timeout`",
            ),
            Ok(_) => {}
        }
    }
    if let Some(threads) = &limits.threads
        && !positive(threads)
    {
        faults.of(
            threads,
            "a stage uses at least one thread: write `threads = 1` or more",
        );
    }
    if let Some(memory) = &limits.memory {
        match grammar::bytes(&memory.value()) {
            Err(misread) => faults.of(memory, misread),
            Ok(0) => faults.of(
                memory,
                "a stage that needs no memory has no `memory`: remove it",
            ),
            Ok(_) => {}
        }
    }
    for (at, (name, amount)) in limits.resources.iter().enumerate() {
        if !positive(amount) {
            faults.of(
                amount,
                format!("the amount of a resource is 1 or more: `{name} = 1`"),
            );
        }
        if limits.resources[..at]
            .iter()
            .any(|(other, _)| other == name)
        {
            faults.of(name, format!("resource `{name}` given twice: remove one"));
        }
        let plain = names::plain(name);
        if plain == "threads" || plain == "memory" {
            faults.of(
                name,
                format!("`{plain}` is a separate option: write it outside of `resources(..)`"),
            );
        }
    }
}

fn positive(number: &LitInt) -> bool {
    number.base10_parse::<u32>().is_ok_and(|number| number > 0)
}

/// Generates the method `limits`. Returns nothing if there are no limits, because the trait has a default.
pub(super) fn expand(limits: &Limits, library: &Library) -> TokenStream {
    let number = |number: &Option<LitInt>| number.as_ref()?.base10_parse::<u32>().ok();
    let mut said = TokenStream::new();
    if let Some(retries) = number(&limits.retries) {
        said.extend(quote!(.retries(#retries)));
    }
    if let Some(Ok(timeout)) = limits
        .timeout
        .as_ref()
        .map(|time| grammar::duration(&time.value()))
    {
        let (seconds, nanoseconds) = (timeout.as_secs(), timeout.subsec_nanos());
        said.extend(quote! {
            .timeout(#library::__private::Duration::new(#seconds, #nanoseconds))
        });
    }
    if let Some(threads) = number(&limits.threads) {
        said.extend(quote!(.threads(#threads)));
    }
    if let Some(Ok(memory)) = limits
        .memory
        .as_ref()
        .map(|memory| grammar::bytes(&memory.value()))
    {
        said.extend(quote!(.memory(#memory)));
    }
    for (name, amount) in &limits.resources {
        let name = names::plain(name);
        if let Ok(amount) = amount.base10_parse::<u32>() {
            said.extend(quote!(.resource(#name, #amount)));
        }
    }
    if said.is_empty() {
        return said;
    }
    quote! {
        fn limits() -> #library::plan::Limits {
            #library::plan::Limits::new() #said
        }
    }
}
