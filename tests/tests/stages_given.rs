//! Values from the program as derivations.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use ndarray::array;
use pylightnix::prelude::*;
use pylightnix::stages::{Given, node, node_files, node_with};
use std::fs;
use tests::runs::{assert_says, scratch};

/// A consumer of values.
#[derive(Config)]
struct Total {
    #[selfref("total.txt")]
    out: SelfRef<Text>,
    #[dref]
    numbers: DRef<Given<Json<Vec<u32>>>>,
    #[dref]
    title: RefPath<Text>,
}

#[stage]
fn total(b: &Build<Total>) -> Result<TotalOutputs> {
    let sum: u32 = b.numbers.out.load()?.iter().sum();
    let text = format!("{}: {sum}", b.title.load()?);
    Ok(TotalOutputs {
        out: b.out.save(&text)?,
    })
}

#[test]
fn values_are_dependencies() -> Result<()> {
    let (_folder, store) = scratch();
    let numbers = node::<Json<_>>("numbers", &vec![1, 2, 3])?;
    let title = node_files("titles", [("en/title.txt", "the sum")])?;
    let title = title.out.join("en/title.txt")?;
    let total = instantiate(Total::new(numbers, title))?;
    assert_eq!(store.realize(&total)?.out.load()?, "the sum: 6");
    assert!(store.plan(&total)?.to_string().contains("nothing to build"));
    Ok(())
}

#[test]
fn the_name_and_the_contents_are_the_identity() -> Result<()> {
    let greeting = node::<Text>("greeting", "hello")?;
    assert_eq!(greeting.id().name().as_str(), "greeting");
    assert_eq!(greeting, node::<Text>("greeting", "hello")?);
    assert_ne!(greeting, node::<Text>("greeting", "hallo")?);
    assert_ne!(greeting, node::<Text>("other", "hello")?);
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let json = greeting.config_json().text();
    assert!(
        json.contains(&format!("\"content\": \"{digest}\"")),
        "{json}"
    );
    Ok(())
}

#[test]
fn any_format_of_one_file_will_do() -> Result<()> {
    let (_folder, store) = scratch();
    let matrix = array![[1., 2.], [3., 4.]].into_dyn();
    let given = store.realize(&node::<Npy<f64>>("matrix", &matrix)?)?;
    assert_eq!(given.out.load()?, matrix);
    let bytes = store.realize(&node::<Bytes>("bytes", &[0, 255, 10])?)?;
    assert_eq!(bytes.out.load()?, [0, 255, 10]);
    Ok(())
}

/// A format that writes a folder.
enum Folder {}

impl Format for Folder {
    type Value = ();
    type View = ();

    fn read(_: &std::path::Path) -> Result<()> {
        Ok(())
    }

    fn write(_: &(), path: &std::path::Path) -> Result<()> {
        Ok(fs::create_dir(path)?)
    }
}

#[test]
fn what_cannot_be_given_is_refused() {
    let error = node::<Text>("no name", "hello").unwrap_err();
    assert_says(&error, &["no name"]);
    let error = node::<Folder>("folder", &()).unwrap_err();
    assert_says(&error, &["cannot write the value of the node `folder`"]);
    let nan = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = node::<Json<_>>("keys", &nan).unwrap_err();
    assert_says(
        &error,
        &[
            "cannot write the value of the node `keys`",
            "key must be a string",
        ],
    );

    for path in ["/etc/passwd", "../up", "a//b", "", "a/./b"] {
        let error = node_files("files", [(path, "")]).unwrap_err();
        assert_says(&error, &[&format!("the file {path:?} of the node `files`")]);
    }
    let error = node_files("files", [("a", "1"), ("a", "2")]).unwrap_err();
    assert_says(&error, &["the file \"a\"", "is given twice"]);
    let error = node_files("files", [("a/b", "1"), ("a", "2")]).unwrap_err();
    assert_says(&error, &["the file \"a\"", "is also a folder"]);
}

#[test]
fn no_files_are_an_empty_folder() -> Result<()> {
    let (_folder, store) = scratch();
    let none: [(&str, &str); 0] = [];
    let given = store.realize(&node_files("none", none)?)?;
    assert_eq!(fs::read_dir(given.out.path())?.count(), 0);
    Ok(())
}

#[test]
fn what_is_realized_is_found_again_without_its_contents() -> Result<()> {
    let (_folder, store) = scratch();
    let first = store.realize(&node::<Text>("greeting", "hello")?)?;
    let again = store.realization_as::<Given<Text>>(&first)?;
    assert_eq!(again.out.load()?, "hello");
    Ok(())
}

#[test]
fn fields_of_ones_own_are_part_of_the_config() -> Result<()> {
    let (_folder, store) = scratch();
    let with = |fields: &[(&str, u32)]| {
        let fields = fields.iter().map(|(key, value)| (*key, *value));
        node_with::<Text, _, _>("words", "one two", fields)
    };
    let words = with(&[("edition", 2), ("pages", 7)])?;
    assert_eq!(words, with(&[("pages", 7), ("edition", 2)])?);
    assert_ne!(words, with(&[("pages", 8), ("edition", 2)])?);
    let made = store.realize(&words)?;
    assert_eq!(made.out.load()?, "one two");
    assert_eq!(made.fields["edition"], 2);
    assert_eq!(store.lens(&made)?.get("fields.pages")?.value::<u32>()?, 7);
    let found = store.find().field("fields.pages", 7).run()?;
    assert_eq!(found.count(), 1);
    // Without any it is a node as before.
    let plain = with(&[])?;
    assert_eq!(plain, node::<Text>("words", "one two")?);
    assert!(!plain.config_json().text().contains("fields"));
    assert_says(
        &with(&[("a", 1), ("a", 2)]).unwrap_err(),
        &["is given twice"],
    );
    Ok(())
}
