//! What Cargo knows of the packages of this workspace, and of those that they depend on.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package, as `cargo metadata` describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Package {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for, in a line.
    pub description: Option<String>,
    /// Under which licences it may be used, as SPDX says it.
    pub license: Option<String>,
    /// The registry or repository that it comes from; `None` for a package of this workspace.
    pub source: Option<String>,
    /// The registries that it may be published to; `None` for all, an empty list for none.
    pub publish: Option<Vec<String>>,
    /// Its features, with what each of them turns on.
    pub features: BTreeMap<String, Vec<String>>,
    /// The oldest Rust that builds it.
    pub rust_version: Option<String>,
    /// Where its documentation is.
    pub documentation: Option<String>,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Where crates.io lists it.
    pub categories: Vec<String>,
    /// What its manifest has for other tools.
    pub metadata: serde_json::Value,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
}

/// A line of a `Cargo.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// The package.
    pub name: String,
    /// The versions that it may have.
    pub req: String,
    /// Where it lies, if it is no package of a registry.
    pub path: Option<PathBuf>,
}

impl Package {
    /// Whether it is meant for other people.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.source.is_none() && self.publish.as_ref().is_none_or(|to| !to.is_empty())
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new(""))
    }
}

/// The top level of the repository.
#[must_use]
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in a folder of the repository")
}

/// The packages of the workspace that are published.
#[must_use]
pub fn published() -> Vec<Package> {
    let mut packages = metadata(&["--no-deps"]);
    packages.retain(Package::is_published);
    packages
}

/// The packages that `cargo metadata` lists with these options.
///
/// # Panics
/// When Cargo cannot tell them.
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

/// The Cargo that runs this, at the top level.
#[must_use]
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(top());
    command
}
