//! Checks of the published packages that need Cargo: each package builds from its archive, with each single feature, with
//! none, with all, and with the minimum Rust version that it states. Run as `cargo run -p tests --bin packages`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use tests::packages::{self, Package};

fn main() -> ExitCode {
    let packages = packages::published();
    let checks = [archives, features, oldest_rust];
    // Stop at the first failure.
    match checks.iter().all(|check| check(&packages)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Builds each package from its archive, without access to this repository; its dependencies are resolved as from a
/// registry.
fn archives(packages: &[Package]) -> bool {
    forget_unpacked(packages);
    let mut cargo = packages::cargo();
    cargo.args(["package", "--locked", "--allow-dirty", "--all-features"]);
    for package in packages {
        cargo.args(["--package", &package.name]);
    }
    // The dependencies are built there already, with the profile of the workspace, which archives do not know.
    cargo.env("CARGO_TARGET_DIR", packages::top().join("target"));
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    runs(&mut cargo)
}

/// Removes what Cargo unpacked of earlier archives of these packages. Cargo resolves the packages of a workspace among each
/// other from a registry in the target folder, and knows what it unpacked from there by name and version alone: after a
/// change it would take the files of before. `-HASH` is Cargo's name for a registry without a host.
fn forget_unpacked(packages: &[Package]) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let unpacked = home.map(|home| home.join("registry/src"));
    let registries = unpacked.and_then(|folder| fs::read_dir(folder).ok());
    for registry in registries.into_iter().flatten().flatten() {
        if registry.file_name().as_encoded_bytes().starts_with(b"-") {
            for Package { name, version, .. } in packages {
                // Most are not there.
                let _ = fs::remove_dir_all(registry.path().join(format!("{name}-{version}")));
            }
        }
    }
}

/// Lints each package without features, and checks it with each single feature. With all of them, the lints of the workspace and the
/// archives have it.
fn features(packages: &[Package]) -> bool {
    packages.iter().all(|package| {
        let mut alone = package.features.keys().filter(|name| *name != "default");
        let mut clippy = packages::cargo();
        clippy.args(["clippy", "--locked", "--package", &package.name]);
        clippy.args(["--no-default-features", "--", "-D", "warnings"]);
        // What a single feature leaves unused, the compiler tells, in a third of the time of clippy.
        runs(&mut clippy)
            && alone.all(|name| {
                let mut cargo = packages::cargo();
                cargo.args(["rustc", "--locked", "--lib", "--profile", "check"]);
                cargo.args(["--package", &package.name, "--no-default-features"]);
                cargo.args(["--features", name, "--", "-D", "warnings"]);
                runs(&mut cargo)
            })
    })
}

/// Checks each package with its minimum Rust version, if that toolchain is installed.
fn oldest_rust(packages: &[Package]) -> bool {
    let installed = installed_rusts();
    packages.iter().all(|package| {
        let Some(version) = &package.rust_version else {
            eprintln!("{} states no rust-version", package.name);
            return false;
        };
        let is_it = |name: &&String| {
            let rest = name.strip_prefix(&**version);
            rest.is_some_and(|rest| rest.starts_with(['.', '-']))
        };
        let Some(toolchain) = installed.iter().find(is_it) else {
            println!(
                "{} is not checked with Rust {version}, which is not installed: \
                 `rustup toolchain install {version} --profile minimal`",
                package.name
            );
            return true;
        };
        let mut rustup = Command::new("rustup");
        rustup.current_dir(packages::top());
        rustup.args(["run", toolchain, "cargo", "check", "--locked"]);
        rustup.args(["--all-features", "--package", &package.name]);
        runs(&mut rustup)
    })
}

/// Returns the toolchains that rustup lists; empty without rustup.
fn installed_rusts() -> Vec<String> {
    let output = Command::new("rustup").args(["toolchain", "list"]).output();
    let listed = output.map(|output| output.stdout).unwrap_or_default();
    let lines = String::from_utf8_lossy(&listed).into_owned();
    let names = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Prints and runs a command. Returns whether it succeeded.
fn runs(command: &mut Command) -> bool {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    println!("-- {}", words.join(" "));
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!(
                "cannot run {}: {error}",
                command.get_program().to_string_lossy()
            );
            false
        }
    }
}
