//! `#[derive(Params)]` and `#[derive(ParamEnum)]`.

mod check;
mod expand;
mod model;
mod parse;
mod variants;

use proc_macro2::TokenStream;

use crate::faults::Faults;

/// Derives `Params` for a struct.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut faults = Faults::default();
    let params = parse::params(input, &mut faults);
    check::params(&params, &mut faults);
    let mut code = match faults.count() {
        0 => expand::params(&params),
        _ => expand::stub(&params),
    };
    code.extend(faults.into_tokens());
    code
}

/// Derives `ParamEnum` for an enum.
pub(crate) fn derive_enum(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut faults = Faults::default();
    let variants = variants::parse(input, &mut faults);
    let mut code = variants::expand(&variants);
    code.extend(faults.into_tokens());
    code
}
