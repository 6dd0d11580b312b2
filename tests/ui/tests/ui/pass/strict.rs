//! Generated code passes the strictest lints of its user.

#![deny(warnings, missing_docs, unreachable_pub, missing_debug_implementations, unused_qualifications)]
#![deny(unused_results, elided_lifetimes_in_paths, single_use_lifetimes, trivial_casts)]
#![forbid(unsafe_code)]

mod stages {
    use pylightnix::prelude::*;

    /// A config of which little is used.
    #[derive(Config)]
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

    #[stage(uses(helper))]
    fn strict(b: &Build<Strict>) -> Result<StrictOutputs> {
        Ok(StrictOutputs {
            out: b.out.save(&helper().to_string())?,
        })
    }

    #[track]
    fn helper() -> u64 {
        3
    }

    /// A config of which nothing is used.
    #[derive(Config)]
    pub(crate) struct Unused {
        #[selfref("out.txt")]
        out: SelfRef<Text>,
        #[config(default, unhashed)]
        seed: u64,
    }

    /// An argument that is not read.
    #[derive(Debug)]
    pub(crate) struct Verbosity;

    #[stage(args(Verbosity))]
    fn unused(_: &Build<Unused>) -> Result<()> {
        Ok(())
    }
}

fn main() {
    let _ = pylightnix::plan::instantiate(stages::Strict::new(1));
}
