//! From the model of a stage to code.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Generics, ReturnType, Type};

use super::model::Stage;
use crate::{fingerprint, names, uses};

pub(super) fn stage(stage: &Stage) -> TokenStream {
    let config = match &stage.config {
        None | Some(Type::ImplTrait(_)) => return TokenStream::new(),
        Some(config) => config,
    };
    let signature = &stage.function.signature;
    let generics = generics(stage);
    let (parameters, _, bounds) = generics.split_for_impl();
    let card = match stage.many {
        true => quote!(Many),
        false => quote!(One),
    };
    let name = match &stage.name {
        Some(name) => name.value(),
        None => names::plain(&signature.ident),
    };
    let nouts = match &stage.nouts {
        Some(nouts) => quote!(#nouts),
        None => quote!(1),
    };
    let code = match &stage.version {
        Some(version) => format!("version {}", version.base10_digits()),
        None => fingerprint::function(&stage.function.attrs, signature, &stage.function.body),
    };
    let uses = uses::list(&stage.uses);
    let values = generics.params.iter().map(parameter);
    let select = select(stage);
    let realize = realize(stage);
    let registrations = registrations(stage);
    // Mixed site: the names of locals here and in the user's expressions are not the same names.
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(non_local_definitions)]
        impl #parameters ::pylightnix::plan::Stage for #config #bounds {
            type Card = ::pylightnix::lens::#card;

            const NAME: &'static str = #name;
            const NOUTS: usize = #nouts;
            const TOKENS: &'static str = #code;
            const USES: &'static [fn() -> ::pylightnix::__private::Tracked] =
                #uses;

            fn parameters() -> ::pylightnix::__private::Vec<::pylightnix::__private::String> {
                ::pylightnix::__private::Vec::from([#(#values),*])
            }

            #select
            #realize
        }

        #registrations
    }
}

/// The function's, without lifetimes: they are the reference's.
fn generics(stage: &Stage) -> Generics {
    let mut generics = stage.function.signature.generics.clone();
    let params = std::mem::take(&mut generics.params);
    generics.params = params
        .into_iter()
        .filter(|param| !matches!(param, GenericParam::Lifetime(_)))
        .collect();
    generics
}

fn parameter(param: &GenericParam) -> TokenStream {
    match param {
        GenericParam::Type(param) => {
            let ident = &param.ident;
            let name = names::plain(ident);
            quote!(::pylightnix::__private::type_parameter::<#ident>(#name))
        }
        GenericParam::Const(param) => {
            let ident = &param.ident;
            let name = names::plain(ident);
            quote!(::pylightnix::__private::const_parameter(#name, #ident))
        }
        GenericParam::Lifetime(_) => TokenStream::new(),
    }
}

fn select(stage: &Stage) -> TokenStream {
    let (check, usual) = match stage.many {
        true => (quote!(matcher_of_many), quote!(all)),
        false => (quote!(matcher_of_one), quote!(latest)),
    };
    let matcher = match &stage.matcher {
        Some(matcher) => quote!(#matcher),
        None => quote!(::pylightnix::plan::matcher::#usual()),
    };
    quote_spanned! {Span::mixed_site()=>
        fn select(
            candidates: &[::pylightnix::lens::RRef<Self>],
        ) -> ::pylightnix::Result<::pylightnix::plan::matcher::Choice<Self>, ::pylightnix::BoxError> {
            let matcher = ::pylightnix::__private::#check::<Self, _>(#matcher);
            ::pylightnix::plan::matcher::Matcher::select(&matcher, candidates)
        }
    }
}

fn realize(stage: &Stage) -> TokenStream {
    let function = &stage.function.signature.ident;
    let span = match &stage.function.signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.span(),
    };
    let site = Span::mixed_site();
    let result = quote_spanned!(site=> #function(build));
    let finish = quote_spanned!(span.resolved_at(site)=> ::pylightnix::__private::finish::<Self, _, _>(#result));
    let finish = match stage.unfit {
        true => quote!(loop {}),
        false => finish,
    };
    quote_spanned! {site=>
        #[allow(unused_variables, clippy::empty_loop)]
        fn realize(
            build: &::pylightnix::lens::Build<Self>,
        ) -> ::pylightnix::Result<(), ::pylightnix::BoxError> {
            #finish
        }
    }
}

fn registrations(stage: &Stage) -> TokenStream {
    let configs: Vec<_> = match &stage.register {
        Some(register) => register.value.iter().collect(),
        None if generics(stage).params.is_empty() => stage.config.iter().collect(),
        None => Vec::new(),
    };
    quote! {
        #(::pylightnix::__private::submit! {
            ::pylightnix::__private::Registration::of::<#configs>(::std::file!(), ::std::line!())
        })*
    }
}
