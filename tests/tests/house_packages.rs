//! Published packages have complete metadata, and their archives contain what users need and nothing else.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use tests::packages::{self, Package};

/// The files that an archive may contain besides sources. Cargo adds files that begin with `Cargo.` and hidden ones.
const BESIDE: [&str; 2] = ["LICENSE", "README.md"];

/// Returns the missing metadata of a package, one item per line.
fn unsaid(package: &Package) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wanted = |is_there: bool, what: &str| {
        if !is_there {
            faults.push(format!("{}: {what}", package.name));
        }
    };
    wanted(package.description.is_some(), "no description");
    wanted(
        package.license.as_deref() == Some("Apache-2.0"),
        "another licence than the others",
    );
    wanted(package.rust_version.is_some(), "no rust-version");
    let page = format!("https://docs.rs/{}", package.name);
    wanted(
        package.documentation.as_ref() == Some(&page),
        "its documentation is not on docs.rs",
    );
    // The limits of crates.io.
    wanted(
        (1..=5).contains(&package.keywords.len()),
        "no keywords, or too many",
    );
    wanted(
        package.keywords.iter().all(|word| word.len() <= 20),
        "a keyword is too long",
    );
    wanted(
        (1..=5).contains(&package.categories.len()),
        "no categories, or too many",
    );
    let docs = &package.metadata["docs"]["rs"]["all-features"];
    wanted(docs == true, "docs.rs would leave out what needs a feature");
    faults
}

#[test]
fn packages_say_what_they_are() {
    let packages = packages::published();
    let names: Vec<_> = packages.iter().map(|package| &*package.name).collect();
    assert!(names.contains(&"pylightnix") && names.contains(&"pylightnix-macros"));
    let faults: Vec<_> = packages.iter().flat_map(unsaid).collect();
    assert!(faults.is_empty(), "{faults:#?}");

    let nothing_said = unsaid(&Package::default());
    assert_eq!(nothing_said.len(), 7, "{nothing_said:#?}");
}

#[test]
fn packages_hold_their_sources_a_readme_and_the_licence() {
    for package in packages::published() {
        let output = packages::cargo()
            .args([
                "package",
                "--list",
                "--allow-dirty",
                "--package",
                &package.name,
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let listed = String::from_utf8(output.stdout).unwrap();
        let (ours, others): (Vec<_>, Vec<_>) = listed
            .lines()
            .filter(|path| !path.starts_with("Cargo.") && !path.starts_with('.'))
            .partition(|path| path.starts_with("src/"));
        assert!(ours.contains(&"src/lib.rs"), "{}: {ours:?}", package.name);
        let mut beside = BESIDE.to_vec();
        if package.folder().join("build.rs").exists() {
            beside.push("build.rs");
        }
        assert_eq!(others, beside, "{}", package.name);
        let read = |path: &str| fs::read_to_string(package.folder().join(path)).unwrap();
        assert!(read("README.md").contains(&package.name));
        assert_eq!(
            read("LICENSE"),
            fs::read_to_string(packages::top().join("LICENSE")).unwrap()
        );
    }
}
