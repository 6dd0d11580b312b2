//! Stages of a library, and a macro of a library that generates stages.

use pylightnix::prelude::*;

/// A number.
#[derive(Config)]
pub struct Shared {
    #[selfref("number.json")]
    /// The number as a file.
    pub out: SelfRef<Json<u32>>,
    /// The number.
    pub number: u32,
}

#[stage(matcher = latest())]
fn shared(b: &Build<Shared>) -> Result<SharedOutputs> {
    Ok(SharedOutputs {
        out: b.out.save(&b.number)?,
    })
}

/// Defines a config with a stage that doubles a [`Shared`].
#[macro_export]
macro_rules! doubles {
    ($config:ident by $stage:ident, $matcher:expr) => {
        #[derive(pylightnix::Config)]
        struct $config {
            #[selfref("number.json")]
            out: pylightnix::lens::SelfRef<pylightnix::lens::format::Json<u32>>,
            #[dref]
            of: pylightnix::plan::DRef<$crate::library::Shared>,
        }

        #[pylightnix::stage(matcher = $matcher)]
        fn $stage(b: &pylightnix::lens::Build<$config>) -> pylightnix::Result<()> {
            b.out.save(&(b.of.out.load()? * 2)).map(drop)
        }
    };
}
