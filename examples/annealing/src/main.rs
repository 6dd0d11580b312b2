//! The quick start of the Pylightnix paper.

fn main() {}
