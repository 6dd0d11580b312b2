//! What the published crates offer, item by item, as rustdoc sees it with all features; what is hidden in the documentation is
//! left out. A change here is a change for users: read it, then `SNAPSHOTS=overwrite` writes `data/public-surface.txt` anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may say so by a panic"
)]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use snapbox::assert_data_eq;
use tests::packages;

/// The description of each published crate that rustdoc writes, in the order of their names. What was compiled for the documentation is
/// used again.
fn described(packages: &[packages::Package]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = folder.parent().unwrap();
    let rustdoc = folder.join("rustdoc");
    // A stable one takes these options then. Build scripts ask for the variable too, so nobody else gets it: they would run again, and
    // what depends on them would be compiled again.
    let script = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";
    fs::write(&rustdoc, script).unwrap();
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut cargo = packages::cargo();
    cargo
        .args(["doc", "--lib", "--no-deps", "--all-features", "--locked"])
        .arg("--target-dir")
        .arg(target);
    for package in packages {
        cargo.args(["--package", &package.name]);
    }
    let output = cargo
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format json")
        .env("RUSTDOC", &rustdoc)
        .env_remove("CARGO_ENCODED_RUSTDOCFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json = |package: &packages::Package| format!("{}.json", package.name.replace('-', "_"));
    let files = packages.iter().map(json);
    files.map(|file| target.join("doc").join(file)).collect()
}

/// A line of the surface.
struct Item {
    id: u32,
    /// What it stands in: a module, a type, a trait, an `impl`.
    parent: Option<u32>,
    text: String,
}

/// The items of a crate.
fn items(json: &Path) -> Vec<Item> {
    let surface = public_api::Builder::from_rustdoc_json(json)
        // They follow from others, and would be most of the lines.
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    let surface = surface.unwrap_or_else(|error| {
        panic!(
            "{}: {error}\nThe version of `public-api` in tests/Cargo.toml has to read what rustdoc of the toolchain in \
             rust-toolchain.toml writes: the README of `public-api` names those that fit",
            json.display()
        )
    });
    let own = json.file_stem().unwrap().to_str().unwrap();
    let items = surface.items().map(|item| Item {
        id: item.id().0,
        parent: item.parent_id().map(|id| id.0),
        text: shortened(&item.to_string(), own),
    });
    items.collect()
}

/// A line without the modules in which other crates keep what they offer, and which they may change: `Option` for
/// `core::option::Option`, `jiff::Timestamp` for `jiff::timestamp::Timestamp`.
fn shortened(text: &str, own: &str) -> String {
    let is_of_paths = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
    let mut short = String::new();
    for piece in text.split_inclusive(|letter| !is_of_paths(letter)) {
        let path = piece.trim_end_matches(|letter| !is_of_paths(letter));
        let first = path.split("::").next().unwrap_or("");
        match path.rsplit_once("::") {
            Some((_, last)) if first.starts_with(char::is_lowercase) && first != own => {
                if !["alloc", "core", "std"].contains(&first) {
                    short.push_str(first);
                    short.push_str("::");
                }
                short.push_str(last);
                short.push_str(&piece[path.len()..]);
            }
            _ => short.push_str(piece),
        }
    }
    short
}

/// The lines of a crate, without what others say: an impl stands with its trait and with its type, and its functions are those
/// of the trait.
fn abridged(items: &[Item]) -> String {
    let of_a_trait = |item: &&Item| item.text.starts_with("impl") && item.text.contains(" for ");
    let of_traits: HashSet<u32> = items
        .iter()
        .filter(of_a_trait)
        .map(|item| item.id)
        .collect();
    let is_said = |item: &Item| {
        item.text.starts_with("pub fn") && item.parent.is_some_and(|id| of_traits.contains(&id))
    };
    let mut seen = HashSet::new();
    let mut kept: Vec<&str> = (items.iter().filter(|item| !is_said(item)))
        .map(|item| &*item.text)
        .filter(|text| seen.insert(*text))
        .collect();
    // Methods come impl by impl, and in which of several they are is no business of users.
    let is_method = |text: &&str| text.starts_with("pub fn");
    for methods in kept.chunk_by_mut(|a, b| is_method(a) == is_method(b)) {
        if is_method(&methods[0]) {
            methods.sort_unstable();
        }
    }
    kept.join("\n") + "\n"
}

#[test]
fn the_public_surface_is_as_it_was() {
    let mut packages = packages::published();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let mut shown = String::new();
    for (package, json) in packages.iter().zip(described(&packages)) {
        writeln!(shown, "# {}\n{}", package.name, abridged(&items(&json))).unwrap();
    }
    assert_data_eq!(shown, snapbox::file!["../data/public-surface.txt"].raw());
}

#[test]
fn a_surface_is_abridged_to_what_is_new() {
    let lines = [
        (1, 0, "pub struct a::A", true),
        (2, 1, "impl a::A", true),
        (3, 2, "pub fn a::A::a() -> Self", true),
        (12, 1, "impl a::A", false),
        (13, 12, "pub fn a::A::b()", true),
        (4, 1, "impl core::ops::deref::Deref for a::A", true),
        (5, 4, "pub type a::A::Target = str", true),
        (6, 4, "pub fn a::A::deref(&self) -> &str", false),
        (7, 0, "pub trait a::T", true),
        (8, 7, "pub fn a::T::t(&self)", true),
        (9, 7, "impl a::T for a::A", true),
        (10, 9, "pub fn a::A::t(&self)", false),
        (9, 1, "impl a::T for a::A", false),
        (11, 0, "pub fn a::f()", true),
    ];
    let items = lines.map(|(id, parent, text, _)| Item {
        id,
        parent: Some(parent),
        text: text.to_owned(),
    });
    let kept = lines.iter().filter(|(.., is_kept)| *is_kept);
    let kept: String = kept.map(|(_, _, text, _)| format!("{text}\n")).collect();
    assert_eq!(abridged(&items), kept);
    // Where the methods are does not matter.
    let mut moved = items;
    moved.swap(2, 4);
    assert_eq!(abridged(&moved), kept);
}

#[test]
fn paths_of_other_crates_are_short() {
    let long = "pub fn a::b::C::d(&self, core::option::Option<jiff::timestamp::Timestamp>) -> <Self as a::b::E>::F";
    let short = "pub fn a::b::C::d(&self, Option<jiff::Timestamp>) -> <Self as a::b::E>::F";
    assert_eq!(shortened(long, "a"), short);
    assert_eq!(
        shortened("impl a::b::E for &mut alloc::vec::Vec<u8>", "c"),
        "impl a::E for &mut Vec<u8>"
    );
}
