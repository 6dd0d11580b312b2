//! What `Cargo.lock` says of the versions of crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::manifest::{code_name, text_in, value_in};

/// The packages that Cargo chose.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    packages: Vec<Locked>,
}

#[derive(Debug)]
struct Locked {
    /// The name, with `-` as `_`.
    name: String,
    version: String,
    /// Whether it is in the workspace, or a dependency by path.
    is_local: bool,
    /// The names of its dependencies, each with the version if there are several of the name.
    dependencies: Vec<(String, Option<String>)>,
}

impl Lock {
    /// Reads the nearest `Cargo.lock` from a folder upward; empty if there is none that can be read.
    pub(crate) fn around(folder: &Path) -> Self {
        let mut files = folder.ancestors().map(|folder| folder.join("Cargo.lock"));
        let text = files.find_map(|file| fs::read_to_string(file).ok());
        text.map(|text| Lock::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let Ok(table) = DeTable::parse(text) else {
            return Lock::default();
        };
        let Some(DeValue::Array(listed)) = value_in(table.get_ref(), "package") else {
            return Lock::default();
        };
        let packages = listed.iter().filter_map(|package| {
            let DeValue::Table(package) = package.get_ref() else {
                return None;
            };
            let dependencies = match value_in(package, "dependencies") {
                Some(DeValue::Array(listed)) => listed.iter().filter_map(dependency).collect(),
                _ => Vec::new(),
            };
            Some(Locked {
                name: code_name(text_in(package, "name")?),
                version: text_in(package, "version")?.to_owned(),
                is_local: value_in(package, "source").is_none(),
                dependencies,
            })
        });
        Lock {
            packages: packages.collect(),
        }
    }

    /// Returns the version of a crate that the code of a package names, both with `-` as `_`; `None` if there is none.
    ///
    /// If there are several, and the package does not depend on one itself, these are the versions that packages by path
    /// depend on, as it reaches the crate through one of them.
    pub(crate) fn version(&self, package: &str, name: &str) -> Option<String> {
        let all: BTreeSet<&str> = self.named(name).map(|it| it.version.as_str()).collect();
        let of = |package: &Locked| {
            let mut dependencies = package.dependencies.iter();
            let (_, version) = dependencies.find(|(dependency, _)| dependency == name)?;
            version.clone()
        };
        let own = self.named(package).filter(|it| it.is_local).find_map(of);
        if all.len() < 2 || own.is_some() {
            return own.or_else(|| Some((*all.first()?).to_owned()));
        }
        let local: BTreeSet<String> = (self.packages.iter().filter(|it| it.is_local))
            .filter_map(of)
            .collect();
        let listed: Vec<&str> = match local.is_empty() {
            true => all.into_iter().collect(),
            false => local.iter().map(String::as_str).collect(),
        };
        Some(listed.join(" or "))
    }

    /// Lists the crates that the code of a package may name, with their versions: a line each.
    pub(crate) fn versions(&self, package: &str) -> String {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for Locked { name, version, .. } in &self.packages {
            names.entry(name).or_default().push(version);
        }
        let mut lines = String::new();
        for (name, versions) in names {
            let one = match versions[..] {
                [version] => Some(version.to_owned()),
                _ => self.version(package, name),
            };
            if let Some(version) = one {
                lines.push_str(&format!("{name} {version}\n"));
            }
        }
        lines
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Locked> {
        self.packages.iter().filter(move |it| it.name == name)
    }
}

/// Parses `name`, `name version` or `name version (source)`.
fn dependency(value: &toml::Spanned<DeValue<'_>>) -> Option<(String, Option<String>)> {
    let DeValue::String(text) = value.get_ref() else {
        return None;
    };
    let mut words = text.split(' ');
    let name = code_name(words.next()?);
    Some((name, words.next().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "lab"
version = "0.1.0"
dependencies = ["nd-array 0.16.1", "one", "shared"]

[[package]]
name = "shared"
version = "0.2.0"
dependencies = ["nd-array 0.17.0", "rand 0.8.5"]

[[package]]
name = "one"
version = "1.2.3"
source = "registry+https://example.com"
dependencies = ["rand 0.9.0"]

[[package]]
name = "nd-array"
version = "0.16.1"
source = "registry+https://example.com"

[[package]]
name = "nd-array"
version = "0.17.0"
source = "registry+https://example.com"

[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://example.com"

[[package]]
name = "rand"
version = "0.9.0"
source = "registry+https://example.com"
"#;

    #[test]
    fn the_version_is_the_one_that_the_package_depends_on() {
        let lock = Lock::parse(LOCK);
        let version = |package, name| lock.version(package, name);
        assert_eq!(version("lab", "one").as_deref(), Some("1.2.3"));
        assert_eq!(version("lab", "nd_array").as_deref(), Some("0.16.1"));
        assert_eq!(version("shared", "nd_array").as_deref(), Some("0.17.0"));
        // Through `shared`, the only package by path that depends on it.
        assert_eq!(version("lab", "rand").as_deref(), Some("0.8.5"));
        assert_eq!(
            version("other", "nd_array").as_deref(),
            Some("0.16.1 or 0.17.0")
        );
        assert_eq!(
            lock.versions("lab"),
            "lab 0.1.0\nnd_array 0.16.1\none 1.2.3\nrand 0.8.5\nshared 0.2.0\n"
        );
        assert_eq!(version("lab", "none"), None);
        assert_eq!(Lock::parse("no lock").version("lab", "one"), None);
    }
}
