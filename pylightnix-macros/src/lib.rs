//! The macros of `pylightnix`: `#[derive(Config)]`, `#[stage]` and `#[track]`.
