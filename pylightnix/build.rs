//! Tells the library with what it is compiled, for build records: the compiler, the target, the profile and the flags.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["RUSTC", "TARGET", "PROFILE", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if let Ok(output) = Command::new(rustc).arg("-V").output()
        && output.status.success()
    {
        say("PYLIGHTNIX_RUSTC", &String::from_utf8_lossy(&output.stdout));
    }
    for (of, name) in [
        ("TARGET", "PYLIGHTNIX_TARGET"),
        ("PROFILE", "PYLIGHTNIX_PROFILE"),
        ("CARGO_ENCODED_RUSTFLAGS", "PYLIGHTNIX_RUSTFLAGS"),
    ] {
        if let Ok(value) = env::var(of) {
            say(name, &value);
        }
    }
}

/// Sets a variable for the compiler. A value of several lines would be taken for further instructions.
fn say(name: &str, value: &str) {
    let value = value.trim();
    if !value.contains('\n') {
        println!("cargo::rustc-env={name}={value}");
    }
}
