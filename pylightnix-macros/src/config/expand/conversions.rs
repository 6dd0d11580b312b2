//! Generates `impl Config`: conversions of a config to a lens, to JSON and back.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::LitStr;

use super::{Names, generics, lens, new};
use crate::config::model::{Config, Field, FieldKind};
use crate::library::Library;
use crate::{fingerprint, names, spans};

pub(super) fn config(config: &Config, generated: &Names) -> TokenStream {
    let Names {
        lens,
        outputs,
        phase,
        config: ident,
        ..
    } = generated;
    let library = &config.library;
    let generics = generics(config);
    let (_, arguments, _) = config.generics.split_for_impl();
    let (parameters, _, bounds) = generics.split_for_impl();
    let lens_arguments = lens::arguments(config, phase);
    let promises = config.promises().map(|(field, promise)| {
        let name = names::plain(&field.ident);
        let path = promise.path.as_ref().map(LitStr::value).unwrap_or_default();
        let format = match &promise.format {
            Some(format) => fingerprint::text(format.to_token_stream()),
            None => "Opaque".to_owned(),
        };
        quote!(#library::__private::Promise::new(#name, #path, #format))
    });
    let mut at = 0;
    let fields: Vec<_> = config
        .fields
        .iter()
        .map(|field| {
            let code = FieldCode::of(field, at, phase, library);
            at += usize::from(matches!(field.kind, FieldKind::Promise(_)));
            code
        })
        .collect();
    let views = fields.iter().map(|field| &field.view);
    let writes = fields.iter().map(|field| &field.write);
    let notes = fields.iter().map(|field| &field.note);
    let visits = fields.iter().map(|field| &field.visit);
    let declares = fields.iter().map(|field| &field.declare);
    let exact = fields.iter().filter_map(|field| field.exact.as_ref());
    // Variables are numbered, because the name of a field could shadow names in the generated code. They have the span of
    // the field, so that the compiler reports a wrong type once.
    let read: Vec<_> = config
        .fields
        .iter()
        .enumerate()
        .map(|(at, field)| Ident::new(&format!("__field_{at}"), field.ident.span()))
        .collect();
    let reads = fields.iter().zip(&config.fields).zip(&read);
    let reads = reads.map(|((code, field), read)| {
        let value = &code.read;
        quote_spanned!(field.ident.span()=> let #read = #value;)
    });
    let values = config.fields.iter().zip(&read).map(|(field, read)| {
        let ident = &field.ident;
        let library = library.at(ident.span());
        quote_spanned!(ident.span()=> #ident: #library::__private::fitting(#read)?)
    });
    let witness =
        lens::uses_no_phase(config).then(|| quote!(__phase: #library::__private::PhantomData));
    let views = views.cloned().chain(witness);
    // Mixed-site hygiene: local variables here do not collide with names in the user's defaults.
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(unused_variables, unused_mut)]
        #[diagnostic::do_not_recommend]
        impl #parameters #library::lens::Config for #ident #arguments #bounds {
            type Lens<#phase: #library::lens::Phase> = #lens<#lens_arguments>;
            type Outputs = #outputs;

            const PROMISES: &'static [#library::__private::Promise] = &[#(#promises),*];

            fn lens<#phase: #library::lens::Phase>(&self, from: &#phase::Source) -> Self::Lens<#phase> {
                #lens { #(#views),* }
            }

            fn write(
                &self,
                out: &mut #library::config::ConfigWriter,
                omitted: &mut #library::lens::Omitted,
            ) -> #library::Result<()> {
                #(#writes)*
                #library::__private::Ok(())
            }

            fn unhashed(&self) -> #library::Result<#library::lens::Omitted> {
                let mut unhashed = #library::lens::Omitted::new();
                #(#notes)*
                #library::__private::Ok(unhashed)
            }

            fn visit(&self, visit: &mut dyn #library::__private::FnMut(&#library::plan::AnyDRef)) {
                #(#visits)*
            }

            fn declare(
                fields: &mut #library::config::Fields<'_>,
                wanted: &mut #library::plan::Wanted,
            ) -> #library::Result<()> {
                #(#declares)*
                #library::__private::Ok(())
            }

            fn revive(
                mut fields: #library::config::Fields<'_>,
                revived: &#library::plan::Revived,
                planned: #library::__private::Option<&Self>,
            ) -> #library::Result<Self> {
                let mut misfits = <#library::__private::Misfits as #library::__private::Default>::default();
                #(#reads)*
                misfits.end::<Self>(fields)?;
                #library::__private::Ok(#ident { #(#values),* })
            }

            fn is_exact() -> bool {
                true #(&& #exact)*
            }
        }
    }
}

/// Generates the code that parses a dependency, or takes it from the plan. Errors about its type point at the field.
fn read_dep(
    field: &Field,
    revive: &TokenStream,
    kept: &TokenStream,
    library: &Library,
) -> TokenStream {
    let (key, library) = (&field.key, library.at(field.ident.span()));
    let name = |name: &str| Ident::new(name, Span::mixed_site());
    let (misfits, fields, stored) = (name("misfits"), name("fields"), name("stored"));
    let planned = name("planned");
    // All tokens have the span of the field: the compiler uses the first and the last one for the span of a call.
    quote_spanned! {field.ident.span()=>
        match #planned {
            #library::__private::Some(#planned) => {
                let _ = #library::__private::there(&mut #fields, #key);
                #library::__private::Some(#kept)
            }
            #library::__private::None => #library::__private::Misfits::note(
                &mut #misfits,
                #library::__private::stored(&mut #fields, #key).and_then(|#stored| #revive)
            ),
        }
    }
}

/// The generated code for a field, one part for each function.
#[derive(Default)]
struct FieldCode {
    view: TokenStream,
    write: TokenStream,
    note: TokenStream,
    visit: TokenStream,
    declare: TokenStream,
    read: TokenStream,
    /// An expression for whether the type guarantees a lossless round trip; `None` if it always does.
    exact: Option<TokenStream>,
}

impl FieldCode {
    /// Generates the code for a field. `at` is its index among the promises, if it is a promise.
    fn of(field: &Field, at: usize, phase: &Ident, library: &Library) -> Self {
        let Field { ident, key, .. } = field;
        let private = quote!(#library::__private);
        let site = Span::mixed_site();
        match &field.kind {
            FieldKind::Promise(_) => FieldCode {
                view: quote_spanned!(site=> #ident: #phase::artifact(from, &Self::PROMISES[#at])),
                write: quote_spanned!(site=> #private::write_promise(out, #key, &self.#ident, &Self::PROMISES[#at]);),
                read: quote_spanned!(site=> misfits.note(#private::read_promise(&mut fields, #key, &Self::PROMISES[#at]))),
                ..FieldCode::default()
            },
            FieldKind::Dep { .. } => {
                let of = quote!(#library::lens::Dependency);
                let call = |item| spans::item_of(&field.ty, &of, item);
                let (view, write, visit) = (call("view"), call("write"), call("visit"));
                let (declare, revive) = (call("declare"), call("revive"));
                let stored = quote_spanned!(site=> &stored, revived);
                let (_, end) = spans::ends(&field.ty.to_token_stream());
                let view = quote_spanned!(end=> #view::<#phase>);
                let view =
                    spans::call_of(&field.ty, view, quote_spanned!(site=> &self.#ident, from));
                let revive = spans::call_of(&field.ty, revive, stored);
                let planned = quote_spanned!(site=> &planned.#ident);
                let kept = spans::call_of(&field.ty, call("kept"), planned);
                FieldCode {
                    view: quote_spanned!(site=> #ident: #view),
                    write: quote_spanned!(site=> #write(&self.#ident, out.field(#key));),
                    visit: quote_spanned!(site=> #visit(&self.#ident, visit);),
                    declare: quote_spanned! {site=>
                        if let #private::Some(stored) = #private::there(fields, #key) {
                            // Errors are reported when the field is read.
                            let _ = #declare(&stored, wanted);
                        }
                    },
                    read: read_dep(field, &revive, &kept, library),
                    ..FieldCode::default()
                }
            }
            FieldKind::Plain {
                omit_default,
                unhashed,
                ..
            } => {
                let of = quote!(#library::__private::PlainField<_>);
                let call = |item| spans::item_of(&field.ty, &of, item);
                let default = new::default_call(field, library);
                let view = call("view");
                let mut code = FieldCode {
                    view: quote_spanned!(site=> #ident: #view(&self.#ident)),
                    ..FieldCode::default()
                };
                if *unhashed {
                    let note = call("note");
                    code.note = quote_spanned!(site=> #note(&self.#ident, &mut unhashed, #key)?;);
                    let view = call("view");
                    code.read = quote_spanned! {site=>
                        #private::Some(match planned {
                            #private::Some(planned) => #view(&planned.#ident),
                            #private::None => #default,
                        })
                    };
                    return code;
                }
                let is_exact = call("is_exact");
                code.exact = Some(quote_spanned!(site=> #is_exact()));
                code.write = if *omit_default {
                    let write = call("write_unless");
                    quote_spanned!(site=> #write(&self.#ident, &#default, out, omitted, #key)?;)
                } else {
                    let write = call("write");
                    quote_spanned!(site=> #write(&self.#ident, out, #key)?;)
                };
                code.read = match default {
                    Some(default) => {
                        let read = call("read_or");
                        quote_spanned!(site=> misfits.note(#read(&mut fields, #key, || #default)))
                    }
                    None => {
                        let read = call("read");
                        quote_spanned!(site=> misfits.note(#read(&mut fields, #key)))
                    }
                };
                code
            }
        }
    }
}
