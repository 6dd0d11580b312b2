//! Generates the code of a stage.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericParam, Generics, ReturnType, Type, parse_quote};

use super::check::is_in;
use super::limits;
use super::model::{Stage, is_concrete};
use super::reach::{self, Generated};
use super::sealing;
use crate::library::Library;
use crate::{fingerprint, names, spans, uses};

pub(super) fn stage(stage: &Stage, item: &TokenStream) -> TokenStream {
    let config = match &stage.config {
        None | Some(Type::ImplTrait(_)) => return TokenStream::new(),
        Some(config) => config,
    };
    let (signature, library) = (&stage.function.signature, &stage.library);
    let generics = generics(stage, config);
    let (parameters, _, bounds) = generics.split_for_impl();
    let card = match (&stage.many, &stage.fallible) {
        (Some(_), _) => quote!(#library::lens::Many),
        (None, Some(_)) => quote!(#library::lens::Try<#library::lens::One>),
        (None, None) => quote!(#library::lens::One),
    };
    let name = match &stage.name {
        Some(name) => name.value(),
        None => names::plain(&signature.ident),
    };
    let nouts = stage
        .nouts
        .as_ref()
        .and_then(|nouts| nouts.base10_parse().ok());
    let nouts = nouts.unwrap_or(1_usize);
    let code = match &stage.version {
        Some(version) => format!("version {}", version.base10_digits()),
        None => fingerprint::function(&stage.function.attrs, signature, &stage.function.body),
    };
    let uses = uses::list(&stage.uses, library);
    let values = generics.params.iter();
    let values = values.map(|param| parameter(param, library));
    let (matcher, make_matcher) = matcher(stage);
    let Generated {
        reach,
        texts,
        errors,
    } = reach::reach(stage, item);
    let realize = realize(stage, &registrations(stage, texts));
    let args = args(stage);
    let takes = takes(stage, config, &generics);
    let limits = limits::expand(&stage.limits, library);
    let reads = reads(stage);
    let sealing = sealing::expand(&stage.sealing, library);
    // Mixed-site hygiene: local variables here do not collide with names in the user's expressions.
    library.around(quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(non_local_definitions)]
        #[diagnostic::do_not_recommend]
        impl #parameters #library::plan::Stage for #config #bounds {
            type Card = #card;

            const NAME: &'static str = #name;
            const PLACE: #library::__private::Place = #library::__private::Place::new(
                ::std::module_path!(),
                ::std::option_env!("CARGO_PKG_VERSION"),
                ::std::file!(),
                ::std::line!(),
            );
            const NOUTS: usize = #nouts;
            const MATCHER: &'static str = #matcher;
            const TOKENS: &'static str = #code;
            const USES: &'static [fn() -> #library::__private::Tracked] =
                #uses;
            #[allow(unexpected_cfgs)]
            const REACH: #library::__private::Reach = #reach;
            #reads
            #sealing

            fn parameters() -> #library::__private::Vec<#library::__private::String> {
                #library::__private::Vec::from([#(#values),*])
            }

            #limits
            #args
            #make_matcher
            #realize
        }

        #takes
        #errors
    })
}

/// Returns the generics of the function, without lifetimes, which belong to the reference. The signature of the function
/// checks that the type is a config; the bound with `for<'__a>` keeps the compiler from repeating that error for each item.
fn generics(stage: &Stage, config: &Type) -> Generics {
    let library = &stage.library;
    let mut generics = stage.function.signature.generics.clone();
    let params = std::mem::take(&mut generics.params);
    let count = params.len();
    generics.params = params
        .into_iter()
        .filter(|param| match param {
            GenericParam::Lifetime(_) => false,
            _ => !stage.is_invalid || is_in(param, config),
        })
        .collect();
    if generics.params.len() < count {
        // The removed parameters were reported, or are lifetimes.
        generics.where_clause = None;
    }
    let bounds = generics.make_where_clause();
    bounds
        .predicates
        .push(parse_quote!(for<'__a> #config: #library::lens::Config));
    generics
}

fn parameter(param: &GenericParam, library: &Library) -> TokenStream {
    match param {
        GenericParam::Type(param) => {
            let ident = &param.ident;
            let name = names::plain(ident);
            quote!(#library::__private::type_parameter::<#ident>(#name))
        }
        GenericParam::Const(param) => {
            let ident = &param.ident;
            let name = names::plain(ident);
            quote!(#library::__private::const_parameter(#name, #ident))
        }
        GenericParam::Lifetime(_) => TokenStream::new(),
    }
}

/// Returns the text of the matcher, and generates the method that makes it.
fn matcher(stage: &Stage) -> (String, TokenStream) {
    let library = &stage.library;
    let (takes, usual) = match stage.many.is_some() {
        true => (quote!(takes_many), quote!(all)),
        false => (quote!(takes_one), quote!(latest)),
    };
    let (written, matcher) = match &stage.matcher {
        Some(matcher) => (quote!(#matcher), quote!(#matcher)),
        None => (quote!(#usual()), quote!(#library::plan::matcher::#usual())),
    };
    let (start, end) = spans::ends(&matcher);
    let place = library.at(start);
    let takes = quote_spanned!(start=> #place::__private::#takes::<Self, _>);
    let made = quote_spanned!(end=> #takes(#matcher));
    // With this import, matchers need no import by the user, and the prelude does not need these short names.
    let names = stage.matcher.is_some().then(|| {
        quote! {
            #[allow(unused_imports)]
            use #library::__private::matchers::*;
        }
    });
    let method = quote! {
        fn matcher() -> #library::__private::StageMatcher<Self> {
            #names
            #made
        }
    };
    (fingerprint::text(written), method)
}

fn realize(stage: &Stage, registrations: &TokenStream) -> TokenStream {
    let function = &stage.function.signature.ident;
    let span = match &stage.function.signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.span(),
    };
    let site = Span::mixed_site();
    let result = quote_spanned!(site=> #function(build));
    let library = &stage.library;
    let place = library.at(span.resolved_at(site));
    let finish =
        quote_spanned!(span.resolved_at(site)=> #place::__private::finish::<Self, _>(#result));
    let (allow, finish) = match stage.is_invalid {
        true => (quote!(#[allow(unused_variables)]), quote!(loop {})),
        false => (TokenStream::new(), finish),
    };
    quote_spanned! {site=>
        #allow
        fn realize(
            build: &#library::lens::Build<Self>,
        ) -> #library::Result<(), #library::BoxError> {
            // Inside the method, so that at a place where no stage is allowed the compiler only reports the `impl`.
            #registrations
            #finish
        }
    }
}

/// Returns nothing if the stage says nothing, because the trait has a default.
fn reads(stage: &Stage) -> TokenStream {
    let library = &stage.library;
    let reading = match stage.reads.as_ref().map(names::plain).as_deref() {
        Some("artifacts") => quote!(Artifacts),
        Some("all") => quote!(All),
        _ => return TokenStream::new(),
    };
    quote! {
        const READS: #library::__private::Reading = #library::__private::Reading::#reading;
    }
}

fn args(stage: &Stage) -> TokenStream {
    let (args, library) = (arg_types(stage), &stage.library);
    if args.is_empty() {
        return TokenStream::new();
    }
    quote! {
        fn args() -> #library::__private::Vec<#library::__private::ArgType> {
            #library::__private::Vec::from([
                #(#library::__private::ArgType::of::<#args>()),*
            ])
        }
    }
}

/// Generates the implementations of `TakesArg`, which let the function read its arguments.
fn takes(stage: &Stage, config: &Type, generics: &Generics) -> TokenStream {
    let (parameters, _, bounds) = generics.split_for_impl();
    let (args, library) = (arg_types(stage), &stage.library);
    quote! {
        #(
            #[automatically_derived]
            #[allow(non_local_definitions)]
            impl #parameters #library::plan::TakesArg<#args> for #config #bounds {}
        )*
    }
}

fn arg_types(stage: &Stage) -> Vec<&Type> {
    stage.args.iter().flat_map(|args| &args.value).collect()
}

fn registrations(stage: &Stage, texts: TokenStream) -> TokenStream {
    let library = &stage.library;
    // A mistyped name would leave in what was to be left out.
    let untracked = stage.untracked.iter().map(|name| {
        quote! {
            #[allow(unused_imports)]
            use #name as _;
        }
    });
    let untracked: TokenStream = untracked.collect();
    let registration = |of: TokenStream| {
        quote! {
            #library::__private::submit! { #of }
        }
    };
    let registered: TokenStream = match &stage.register {
        Some(register) => register
            .value
            .iter()
            .map(|config| registration(quote!(#library::__private::Registration::of::<#config>())))
            .collect(),
        // For a type that is not a config, which the signature reports, nothing is registered.
        None if is_concrete(&stage.function.signature.generics) => stage
            .config
            .iter()
            .map(|config| {
                registration(quote! {{
                    #[allow(unused_imports)]
                    use #library::__private::NoStage as _;
                    <#library::__private::Own<#config>>::STAGE
                }})
            })
            .collect(),
        None => TokenStream::new(),
    };
    quote!(#untracked #texts #registered)
}
