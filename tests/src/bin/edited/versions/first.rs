//! The first version.

use pylightnix::prelude::*;
use std::marker::PhantomData;

/// A multiple of a number.
#[derive(Config)]
pub struct Scaled<T: Send + Sync + 'static> {
    #[selfref("scaled.txt")]
    pub out: SelfRef<Text>,
    pub number: i64,
    #[config(default, unhashed)]
    pub of: PhantomData<T>,
}

#[stage]
fn scaled<T: Send + Sync + 'static>(b: &Build<Scaled<T>>) -> Result<ScaledOutputs> {
    let number = normalise(b.number);
    Ok(ScaledOutputs {
        out: b.out.save(&format!("first\n{number}\n"))?,
    })
}

fn normalise(number: i64) -> i64 {
    number * 2
}

/// What people see of it.
#[derive(Config)]
pub struct Shown<T: Send + Sync + 'static> {
    #[selfref("shown.txt")]
    pub out: SelfRef<Text>,
    #[dref]
    pub scaled: DRef<Scaled<T>>,
}

#[stage]
fn shown<T: Send + Sync + 'static>(b: &Build<Shown<T>>) -> Result<ShownOutputs> {
    Ok(ShownOutputs {
        out: b.out.save(&show(&b.scaled.out.load()?))?,
    })
}

fn show(text: &str) -> String {
    text.to_owned()
}

/// Returns the plan.
pub fn plan() -> Result<DRef<Shown<()>>> {
    Ok(instantiate(Shown::new(instantiate(Scaled::new(5))?))?)
}
