//! The metadata that Cargo reports for the packages of this workspace and for their dependencies.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package, as `cargo metadata` describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Package {
    /// The name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The description, one line.
    pub description: Option<String>,
    /// The licences, as an SPDX expression.
    pub license: Option<String>,
    /// The source, a registry or a repository; `None` for a package of this workspace.
    pub source: Option<String>,
    /// The registries that it may be published to; `None` means all, an empty list none.
    pub publish: Option<Vec<String>>,
    /// The features, with the features that each of them enables.
    pub features: BTreeMap<String, Vec<String>>,
    /// The minimum Rust version.
    pub rust_version: Option<String>,
    /// The address of the documentation.
    pub documentation: Option<String>,
    /// The keywords.
    pub keywords: Vec<String>,
    /// The categories on crates.io.
    pub categories: Vec<String>,
    /// The metadata for other tools.
    pub metadata: serde_json::Value,
    /// The path of `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// The dependencies.
    pub dependencies: Vec<Dependency>,
}

/// A dependency in a `Cargo.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// The name of the package.
    pub name: String,
    /// The version requirement.
    pub req: String,
    /// The path, for a path dependency.
    pub path: Option<PathBuf>,
}

impl Package {
    /// Returns whether the package is published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.source.is_none() && self.publish.as_ref().is_none_or(|to| !to.is_empty())
    }

    /// Returns the folder of the package.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new(""))
    }
}

/// Returns the top level of the repository.
#[must_use]
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in a folder of the repository")
}

/// Returns the packages of the workspace that are published.
#[must_use]
pub fn published() -> Vec<Package> {
    let mut packages = metadata(&["--no-deps"]);
    packages.retain(Package::is_published);
    packages
}

/// Returns the packages that `cargo metadata` lists with these options.
///
/// # Panics
/// Panics if `cargo metadata` fails.
#[must_use]
pub fn metadata(options: &[&str]) -> Vec<Package> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(options)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("the metadata");
    metadata.packages
}

/// Returns the Cargo command that runs this program, in the top level of the repository.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(top());
    // Build scripts ask for what Cargo tells this program of its own package, and would run again when it is there.
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        if said == "CARGO_MANIFEST_DIR" || said.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command
}
