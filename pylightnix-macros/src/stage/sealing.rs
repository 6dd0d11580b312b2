//! Checks and generates what a sealed stage may reach: `sealed`, `network` and `read("/data/x")`.

use proc_macro2::TokenStream;
use quote::quote;

use super::model::Sealing;
use crate::faults::Faults;
use crate::library::Library;

pub(super) fn check(sealing: &Sealing, faults: &mut Faults) {
    if sealing.sealed.is_none() {
        let more = [
            &sealing.network,
            &sealing.read.as_ref().map(|read| read.key.clone()),
        ];
        for key in more.into_iter().flatten() {
            faults.of(
                key,
                format!("`{key}` says what a sealed stage may reach: add `sealed`, or remove it"),
            );
        }
    }
    let Some(read) = &sealing.read else { return };
    if read.value.is_empty() {
        faults.of(
            &read.key,
            "`read` lists the files, folders and devices that the stage may read: `read(\"/data/x\")`",
        );
    }
    for path in &read.value {
        let text = path.value();
        if !text.starts_with('/') {
            faults.of(
                path,
                "a path in `read` is absolute, as it is the same wherever the program is started: `read(\"/data/x\")`",
            );
        } else if text.split('/').any(|part| part == "..") {
            faults.of(path, "a path in `read` has no `..`: write where it leads");
        } else if text.bytes().all(|byte| byte == b'/') {
            faults.of(
                path,
                "a stage that may read everything is not sealed: name the files and folders that it reads",
            );
        } else if text.contains('\0') {
            faults.of(path, "a path has no NUL character");
        }
    }
}

/// Returns nothing for a stage that is not sealed, because the trait has a default.
pub(super) fn expand(sealing: &Sealing, library: &Library) -> TokenStream {
    if sealing.sealed.is_none() {
        return TokenStream::new();
    }
    let network = sealing.network.is_some();
    let read = sealing.read.iter().flat_map(|read| &read.value);
    quote! {
        const SEALING: #library::__private::Option<#library::__private::Sealing> =
            #library::__private::Some(#library::__private::Sealing::new(#network, &[#(#read),*]));
    }
}
