use pylightnix::prelude::*;
use std::cell::Cell;

fn case(store: &Store) {
    let _ = Realize::new(store).arg(Cell::new(3));
}

fn main() {}
