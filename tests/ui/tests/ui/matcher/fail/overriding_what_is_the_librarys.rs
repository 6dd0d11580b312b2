use pylightnix::BoxError;
use pylightnix::prelude::*;

struct First;

impl<C: Config> Matcher<C> for First {
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(candidates.first().cloned().into())
    }

    fn takes_the_only(&self) -> bool {
        true
    }
}

fn main() {}
