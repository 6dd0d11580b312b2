//! Generated code under another name for the library passes the strictest lints too, wherever it stands.

#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations, unused_qualifications)]
#![deny(unused_results, elided_lifetimes_in_paths, single_use_lifetimes, trivial_casts)]
#![forbid(unsafe_code)]

/// A crate that re-exports it.
pub mod lab {
    pub use ::pylightnix as nix;

    /// A macro of that crate.
    #[macro_export]
    macro_rules! nothing {
        ($config:ident, $stage:ident) => {
            /// A config.
            #[derive(Debug, $crate::lab::nix::Config)]
            #[config(crate = $crate::lab::nix)]
            pub struct $config {}

            #[$crate::lab::nix::stage(crate = $crate::lab::nix)]
            fn $stage(_: &$crate::lab::nix::lens::Build<$config>) -> $crate::lab::nix::Result<()> {
                Ok(())
            }
        };
    }
}

mod stages {
    use super::lab::nix::prelude::*;

    /// A config.
    #[derive(Config)]
    #[config(crate = super::lab::nix)]
    pub(crate) struct Strict {
        #[selfref("out.txt")]
        out: SelfRef<Text>,
        #[dref]
        #[config(default)]
        before: Option<DRef<Strict>>,
        #[config(default = 3, omit_default)]
        steps: u64,
        seed: u64,
    }

    /// An argument.
    #[derive(Debug)]
    pub(crate) struct Verbosity;

    #[stage(crate = crate::lab::nix, uses(helper), args(Verbosity))]
    fn strict(b: &Build<Strict>) -> Result<StrictOutputs> {
        Ok(StrictOutputs {
            out: b.out.save(&helper().to_string())?,
        })
    }

    #[track(crate = self::library)]
    fn helper() -> u64 {
        3
    }

    use super::lab::nix as library;
}

nothing!(One, one);
nothing!(Two, two);

fn main() {
    use lab::nix;

    #[derive(nix::Config)]
    #[config(crate = nix)]
    struct Inside {}

    #[nix::stage(crate = nix)]
    fn inside(_: &nix::lens::Build<Inside>) -> nix::Result<()> {
        Ok(())
    }

    let _ = nix::plan::instantiate(stages::Strict::new(1));
    let _ = nix::plan::instantiate(Inside::new());
    let _ = nix::plan::instantiate(One::new());
    let _ = nix::plan::instantiate(Two::new());
}
