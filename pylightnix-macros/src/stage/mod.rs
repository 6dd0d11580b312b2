//! `#[stage]`.

mod check;
mod counts;
mod data;
mod expand;
mod limits;
mod model;
mod parse;
mod reach;
mod sealing;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::faults::Faults;

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let mut stage = match parse::stage(options, item.clone(), &mut faults) {
        Ok(stage) => stage,
        Err(error) => {
            faults.add(error);
            let mut code = faults.into_tokens();
            code.extend(item);
            return code;
        }
    };
    check::stage(&mut stage, &mut faults);
    limits::check(&stage.limits, &mut faults);
    let mut code = stage.function.to_token_stream();
    code.extend(faults.into_tokens());
    code.extend(expand::stage(&stage, &item));
    code
}
