//! `impl Config`: to a lens, to JSON and back.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Names, generics, lens, new};
use crate::config::model::{Config, Field, Kind};
use crate::fingerprint;

pub(super) fn config(config: &Config, names: &Names) -> TokenStream {
    let Names {
        lens,
        outputs,
        phase,
        config: ident,
        ..
    } = names;
    let generics = generics(config);
    let (_, arguments, _) = config.generics.split_for_impl();
    let (parameters, _, bounds) = generics.split_for_impl();
    let lens_arguments = lens::arguments(config, phase);
    let promises = config.promises().map(|(field, promise)| {
        let (key, format) = (&field.key, fingerprint::text(promise.format.clone()));
        let path = promise
            .path
            .as_ref()
            .map(syn::LitStr::value)
            .unwrap_or_default();
        quote!(::pylightnix::__private::Promise::new(#key, #path, #format))
    });
    let mut at = 0;
    let fields: Vec<_> = config
        .fields
        .iter()
        .map(|field| {
            let code = FieldCode::of(field, at, phase);
            at += usize::from(matches!(field.kind, Kind::Promise(_)));
            code
        })
        .collect();
    let views = fields.iter().map(|field| &field.view);
    let writes = fields.iter().map(|field| &field.write);
    let notes = fields.iter().map(|field| &field.note);
    let visits = fields.iter().map(|field| &field.visit);
    let declares = fields.iter().map(|field| &field.declare);
    let reads = fields.iter().map(|field| &field.read);
    let witness =
        lens::uses_no_phase(config).then(|| quote!(__phase: ::pylightnix::__private::PhantomData));
    let views = views.cloned().chain(witness);
    // Mixed site: the names of locals here and in the user's defaults are not the same names.
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(unused_variables, unused_mut)]
        impl #parameters ::pylightnix::lens::Config for #ident #arguments #bounds {
            type Lens<#phase: ::pylightnix::lens::Phase> = #lens<#lens_arguments>;
            type Outputs = #outputs;

            const PROMISES: &'static [::pylightnix::__private::Promise] = &[#(#promises),*];

            fn lens<#phase: ::pylightnix::lens::Phase>(&self, from: &#phase::Source) -> Self::Lens<#phase> {
                #lens { #(#views),* }
            }

            fn write(
                &self,
                out: &mut ::pylightnix::config::ConfigWriter,
                omitted: &mut ::pylightnix::lens::Omitted,
            ) -> ::pylightnix::Result<()> {
                #(#writes)*
                ::pylightnix::__private::Ok(())
            }

            fn unhashed(&self) -> ::pylightnix::Result<::pylightnix::lens::Omitted> {
                let mut unhashed = ::pylightnix::lens::Omitted::new();
                #(#notes)*
                ::pylightnix::__private::Ok(unhashed)
            }

            fn visit(&self, visit: &mut dyn ::pylightnix::__private::FnMut(&::pylightnix::plan::AnyDRef)) {
                #(#visits)*
            }

            fn declare(
                fields: &mut ::pylightnix::config::Fields<'_>,
                wanted: &mut ::pylightnix::plan::Wanted,
            ) -> ::pylightnix::Result<()> {
                #(#declares)*
                ::pylightnix::__private::Ok(())
            }

            fn revive(
                mut fields: ::pylightnix::config::Fields<'_>,
                revived: &::pylightnix::plan::Revived,
            ) -> ::pylightnix::Result<Self> {
                let config = #ident { #(#reads),* };
                ::pylightnix::__private::no_more::<Self>(fields)?;
                ::pylightnix::__private::Ok(config)
            }
        }
    }
}

/// What each function does with a field.
#[derive(Default)]
struct FieldCode {
    view: TokenStream,
    write: TokenStream,
    note: TokenStream,
    visit: TokenStream,
    declare: TokenStream,
    read: TokenStream,
}

impl FieldCode {
    /// `at`: which promise it is, if it is one.
    fn of(field: &Field, at: usize, phase: &Ident) -> Self {
        let Field { ident, key, .. } = field;
        let private = quote!(::pylightnix::__private);
        let site = Span::mixed_site();
        match &field.kind {
            Kind::Promise(_) => FieldCode {
                view: quote_spanned!(site=> #ident: #phase::artifact(from, &Self::PROMISES[#at])),
                write: quote_spanned!(site=> #private::write_promise(out, #key, &self.#ident, &Self::PROMISES[#at]);),
                read: quote_spanned!(site=> #ident: #private::read_promise(&mut fields, #key, &Self::PROMISES[#at])?),
                ..FieldCode::default()
            },
            Kind::Dep { .. } => FieldCode {
                view: quote_spanned!(site=> #ident: #phase::dep(from, &self.#ident)),
                write: quote_spanned!(site=> #private::write_dep(out, #key, &self.#ident);),
                visit: quote_spanned!(site=> #private::visit_dep(&self.#ident, visit);),
                declare: {
                    let ty = &field.ty;
                    quote_spanned!(site=> #private::declare_dep::<#ty>(fields, #key, wanted)?;)
                },
                read: quote_spanned!(site=> #ident: #private::read_dep(&mut fields, #key, revived)?),
                ..FieldCode::default()
            },
            Kind::Plain {
                omit_default,
                unhashed,
                ..
            } => {
                let default = new::default_call(field);
                let mut code = FieldCode {
                    view: quote_spanned!(site=> #ident: #private::Clone::clone(&self.#ident)),
                    ..FieldCode::default()
                };
                if *unhashed {
                    code.note = quote_spanned! {site=>
                        #private::note_unhashed(&mut unhashed, #key, &self.#ident)?;
                    };
                    code.read = quote!(#ident: #default);
                    return code;
                }
                code.write = match omit_default {
                    true => quote_spanned! {site=>
                        #private::write_unless_default(out, omitted, #key, &self.#ident, &#default)?;
                    },
                    false => {
                        quote_spanned!(site=> #private::write_plain(out, #key, &self.#ident)?;)
                    }
                };
                code.read = match default {
                    Some(default) => quote_spanned! {site=>
                        #ident: #private::read_plain_or(&mut fields, #key, || #default)?
                    },
                    None => quote_spanned!(site=> #ident: #private::read_plain(&mut fields, #key)?),
                };
                code
            }
        }
    }
}
