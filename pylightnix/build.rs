//! Tells the library with what it is compiled, for build records: the compiler, the target, the profile and the flags. With
//! `PYLIGHTNIX_PORTABLE=1` it has the store ask of Linux only what every Unix has, so that Linux tests that, too.

use std::env;
use std::process::Command;

const PORTABLE: &str = "PYLIGHTNIX_PORTABLE";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in [
        "RUSTC",
        "TARGET",
        "PROFILE",
        "CARGO_ENCODED_RUSTFLAGS",
        PORTABLE,
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if env::var_os(PORTABLE).is_some_and(|value| value == "1") {
        println!("cargo::rustc-cfg=pylightnix_portable");
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
