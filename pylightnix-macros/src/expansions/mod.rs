//! Compares the expansions of three items with reviewed files.
//!
//! `UPDATE_EXPANSIONS=1 cargo test -p pylightnix-macros` overwrites the files.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;

fn check(file: &str, code: TokenStream) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/expansions")
        .join(file);
    let parsed = syn::parse2(code).unwrap();
    let code = prettyplease::unparse(&parsed);
    if std::env::var_os("UPDATE_EXPANSIONS").is_some() {
        std::fs::write(&file, &code).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(code, expected, "\n{code}");
}

#[test]
fn the_papers_config() {
    let item = quote! {
        /// An annealing.
        #[derive(Config)]
        pub struct Anneal {
            #[selfref("tracex.npy")]
            pub trace_xs: SelfRef<Npy<f64>>,
            #[selfref("tracef.npy")]
            pub trace_fs: SelfRef<Npy<f64>>,
            /// The best place.
            #[selfref("result.npy")]
            pub out: SelfRef<Npy<f64>>,
            #[dref]
            pub ref_params: DRef<Params>,
            /// How many steps.
            #[config(default = 500, omit_default)]
            pub maxiter: u64,
        }
    };
    check("config.rs", crate::config::derive(item));
}

#[test]
fn a_stage_with_options() {
    let options = quote!(matcher = lowest(energy), nouts = 3, uses(minimise, Model));
    let item = quote! {
        fn anneal(b: &Build<Anneal>) -> Result<AnnealOutputs> {
            let run = minimise(&b.ref_params.out.load()?, b.maxiter)?;
            Ok(AnnealOutputs {
                trace_xs: b.trace_xs.save(&run.xs)?,
                trace_fs: b.trace_fs.save(&run.fs)?,
                out: b.out.save(&run.best)?,
            })
        }
    };
    check("stage.rs", crate::stage::attribute(options, item));
}

#[test]
fn a_generic_recursive_config() {
    let item = quote! {
        struct Train<M: Model, const N: usize = 1>
        where
            M::Data: Plain,
        {
            #[selfref("weights.json")]
            weights: SelfRef<Json<M>>,
            #[dref]
            before: Option<DRef<Self>>,
            #[config(default = 4, unhashed)]
            threads: usize,
            #[config(rename = "learning rate")]
            lr: f64,
            data: M::Data,
        }
    };
    check("generic.rs", crate::config::derive(item));
}
