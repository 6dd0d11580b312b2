//! `#[derive(Config)]`.

mod check;
mod expand;
mod model;
mod parse;
mod shape;

use proc_macro2::TokenStream;

use crate::faults::Faults;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut faults = Faults::default();
    let config = parse::config(input, &mut faults);
    check::config(&config, &mut faults);
    let mut code = match faults.count() {
        0 => expand::config(&config),
        _ => expand::stub(&config),
    };
    code.extend(faults.into_tokens());
    code
}
