//! Tells the tests whether the library is the one for every Unix: see its build script.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PYLIGHTNIX_PORTABLE");
    if env::var_os("PYLIGHTNIX_PORTABLE").is_some_and(|value| value == "1") {
        println!("cargo::rustc-cfg=pylightnix_portable");
    }
}
