use pylightnix::prelude::*;

struct Model {
    layers: u64,
}

impl Model {
    #[track]
    fn size(&self) -> u64 {
        self.layers * 10
    }
}

fn main() {}
