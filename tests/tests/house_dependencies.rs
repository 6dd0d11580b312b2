//! The dependencies of the workspace satisfy `deny.toml`: licences, duplicate versions, and sources. Advisories change
//! daily; `cargo deny check advisories` checks them.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tests::packages::{self, Package};

/// `deny.toml`, with the keys that this test enforces. Another key, or a more permissive value, is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    #[serde(rename = "sources")]
    _sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    targets: Vec<String>,
    all_features: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// Licences that are allowed for a single package.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Level,
    #[serde(rename = "wildcards")]
    _wildcards: Level,
    allow_wildcard_paths: bool,
    skip: Vec<Skip>,
}

/// A version that is allowed beside another version of its package.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skip {
    /// `name@version`
    #[serde(rename = "crate")]
    version: String,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Level,
    #[serde(rename = "unknown-git")]
    _unknown_git: Level,
}

/// The level of a rule. Only this one is enforced.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Deny,
}

/// The name of crates.io in `Cargo.lock`.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn rules(text: &str) -> Result<Rules, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// Returns all violations of licences, one per line.
fn licence_faults(rules: &Licenses, packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut idle: BTreeSet<(&str, &str)> = (rules.exceptions.iter())
        .flat_map(|one| one.allow.iter().map(|licence| (&*one.name, &**licence)))
        .collect();
    for package in packages {
        let Some(text) = &package.license else {
            faults.push(format!("{} names no licence", package.name));
            continue;
        };
        let expression = match spdx::Expression::parse_mode(text, spdx::ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                faults.push(format!("{}: `{text}`: {error}", package.name));
                continue;
            }
        };
        let is_allowed = |licence: &str| rules.allow.iter().any(|one| one == licence);
        if expression.evaluate(|asked| is_allowed(&asked.to_string())) {
            continue;
        }
        let of_its_own: Vec<_> = (rules.exceptions.iter())
            .filter(|one| one.name == package.name)
            .flat_map(|one| &one.allow)
            .collect();
        let is_excepted = |licence: &str| of_its_own.iter().any(|one| *one == licence);
        if expression.evaluate(|asked| {
            let licence = asked.to_string();
            is_allowed(&licence) || is_excepted(&licence)
        }) {
            idle.retain(|(name, _)| *name != package.name);
        } else {
            faults.push(format!(
                "{} {} may be used under `{text}`, which deny.toml does not allow",
                package.name, package.version
            ));
        }
    }
    for (name, licence) in idle {
        faults.push(format!("deny.toml excepts {name} for {licence} in vain"));
    }
    faults
}

/// Returns all violations of versions, one per line.
fn version_faults(rules: &Bans, packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    let mut idle: BTreeSet<&str> = rules.skip.iter().map(|skip| &*skip.version).collect();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let skipped = versions
            .iter()
            .filter(|version| idle.remove(&*format!("{name}@{version}")))
            .count();
        if versions.len() - skipped > 1 {
            faults.push(format!(
                "{name} has several versions that deny.toml does not skip: {versions:?}"
            ));
        }
    }
    faults.extend(
        idle.iter()
            .map(|skip| format!("deny.toml skips {skip} in vain")),
    );
    for package in packages.iter().filter(|package| package.source.is_none()) {
        for dependency in &package.dependencies {
            let is_excused = rules.allow_wildcard_paths && dependency.path.is_some();
            if dependency.req == "*" && !is_excused {
                faults.push(format!(
                    "{} takes any version of {}",
                    package.name, dependency.name
                ));
            }
        }
    }
    faults
}

/// Returns all packages from sources other than crates.io, one per line.
fn source_faults(packages: &[Package]) -> Vec<String> {
    let elsewhere = packages.iter().filter_map(|package| {
        let source = package
            .source
            .as_ref()
            .filter(|source| *source != CRATES_IO)?;
        Some(format!("{} comes from {source}", package.name))
    });
    elsewhere.collect()
}

#[test]
fn what_is_depended_on_is_what_deny_toml_allows() {
    let text = std::fs::read_to_string(packages::top().join("deny.toml")).unwrap();
    let rules = rules(&text).unwrap();
    assert!(rules.graph.all_features, "without features less is seen");
    let mut packages = BTreeMap::new();
    for target in &rules.graph.targets {
        let options = ["--all-features", "--filter-platform", target];
        let of_target = packages::metadata(&options).into_iter();
        packages.extend(of_target.map(|one| ((one.name.clone(), one.version.clone()), one)));
    }
    let packages: Vec<_> = packages.into_values().collect();
    assert!(packages.len() > 100, "Cargo lists what is depended on");
    let mut faults = licence_faults(&rules.licenses, &packages);
    faults.extend(version_faults(&rules.bans, &packages));
    faults.extend(source_faults(&packages));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Returns rules that allow little.
fn strict() -> Rules {
    let text = r#"
        [graph]
        targets = []
        all-features = true
        [licenses]
        allow = ["MIT"]
        exceptions = [{ crate = "data", allow = ["Zlib"] }]
        [bans]
        multiple-versions = "deny"
        wildcards = "deny"
        allow-wildcard-paths = true
        skip = [{ crate = "old@1.0.0", reason = "a test" }]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;
    rules(text).unwrap()
}

fn package(name: &str, version: &str, licence: &str) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        license: Some(licence.to_owned()),
        source: Some(CRATES_IO.to_owned()),
        ..Package::default()
    }
}

#[test]
fn licences_that_are_not_allowed_are_found() {
    let faults = |licence: &str| {
        let packages = [
            package("data", "1.0.0", "Zlib"),
            package("one", "1.0.0", licence),
        ];
        licence_faults(&strict().licenses, &packages)
    };
    for allowed in ["MIT", "MIT OR GPL-3.0-only", "MIT/Apache-2.0"] {
        assert!(faults(allowed).is_empty(), "{:?}", faults(allowed));
    }
    for refused in [
        "Zlib",
        "MIT AND Zlib",
        "GPL-3.0-only",
        "MIT WITH LLVM-exception",
        "no licence",
    ] {
        assert!(
            faults(refused)[0].starts_with("one"),
            "{refused}: {:?}",
            faults(refused)
        );
    }
    let none = Package {
        license: None,
        ..package("one", "1.0.0", "")
    };
    let faults = licence_faults(&strict().licenses, &[none]);
    assert_eq!(
        faults,
        [
            "one names no licence",
            "deny.toml excepts data for Zlib in vain"
        ]
    );
}

#[test]
fn versions_side_by_side_are_found() {
    let faults = |versions: &[(&str, &str)]| {
        let packages: Vec<_> = (versions.iter())
            .map(|(name, version)| package(name, version, "MIT"))
            .collect();
        version_faults(&strict().bans, &packages)
    };
    assert!(faults(&[("old", "1.0.0"), ("old", "2.0.0"), ("one", "1.0.0")]).is_empty());
    let several = faults(&[("old", "1.0.0"), ("old", "2.0.0"), ("old", "3.0.0")]);
    assert!(
        several[0].starts_with("old has several versions"),
        "{several:?}"
    );
    let idle = faults(&[("old", "2.0.0"), ("one", "1.0.0"), ("one", "2.0.0")]);
    assert!(idle[0].starts_with("one has several versions"), "{idle:?}");
    assert_eq!(idle[1], "deny.toml skips old@1.0.0 in vain");
}

#[test]
fn wildcards_and_other_sources_are_found() {
    let dependency = |path: Option<&str>| packages::Dependency {
        name: "any".to_owned(),
        req: "*".to_owned(),
        path: path.map(Into::into),
    };
    let mut ours = package("ours", "1.0.0", "MIT");
    ours.source = None;
    ours.dependencies = vec![dependency(Some("../any")), dependency(None)];
    let mut strict = strict();
    strict.bans.skip.clear();
    let faults = version_faults(&strict.bans, std::slice::from_ref(&ours));
    assert_eq!(faults, ["ours takes any version of any"]);

    let mut other = package("other", "1.0.0", "MIT");
    other.source = Some("git+https://example.org/other".to_owned());
    let faults = source_faults(&[ours, other, package("one", "1.0.0", "MIT")]);
    assert_eq!(faults, ["other comes from git+https://example.org/other"]);
}

#[test]
fn what_this_program_does_not_hold_is_no_rule() {
    let text = std::fs::read_to_string(packages::top().join("deny.toml")).unwrap();
    for (rule, other) in [
        ("wildcards = \"deny\"", "wildcards = \"warn\""),
        ("unknown-git = \"deny\"", "unknown-git = \"allow\""),
        ("[graph]", "[graph]\nexclude = [\"zip\"]"),
        ("[sources]", "[sources]\nallow-git = []"),
    ] {
        assert!(text.contains(rule));
        assert!(rules(&text.replacen(rule, other, 1)).is_err(), "{other}");
    }
}
