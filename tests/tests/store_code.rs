//! The texts of code go with the results that they made, to other stores.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::prelude::*;
use pylightnix::store::{Durability, Pack};
use std::path::Path;
use tests::store::folder;

/// A number.
#[derive(Config)]
struct Number {
    #[selfref("number.txt")]
    number: SelfRef<Text>,
}

#[stage]
fn number(b: &Build<Number>) -> Result<NumberOutputs> {
    Ok(NumberOutputs {
        number: b.number.save(&seven())?,
    })
}

fn seven() -> String {
    "7".to_owned()
}

fn store(at: &Path) -> Store {
    Store::open(at).unwrap().with_durability(Durability::None)
}

/// Returns what the builds of a number name as their code.
fn code_of(store: &Store, number: &RRef<Number>) -> Option<String> {
    let builds = store.realization(number).unwrap().builds().to_vec();
    let fingerprint = builds.iter().find_map(|build| build.fingerprint.clone());
    store.code(&fingerprint.unwrap()).unwrap()
}

#[test]
fn a_copy_brings_the_code() {
    let folder = folder();
    let (ada, ben) = (
        store(&folder.path().join("ada")),
        store(&folder.path().join("ben")),
    );
    let number = ada.realize(&instantiate(Number::new()).unwrap()).unwrap();
    let code = code_of(&ada, &number).unwrap();
    assert!(code.contains("fn seven"), "{code}");
    ben.copy_from(&ada, [&number]).unwrap();
    assert_eq!(code_of(&ben, &number), Some(code));
}

#[test]
fn an_archive_brings_the_code_unless_it_has_no_builds() {
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    let ada = store(&place("ada"));
    let number = ada.realize(&instantiate(Number::new()).unwrap()).unwrap();
    let code = code_of(&ada, &number);
    ada.pack([&number], place("with.zip")).unwrap();
    let ben = store(&place("ben"));
    ben.unpack(place("with.zip")).unwrap();
    assert_eq!(code_of(&ben, &number), code);
    // The same results with the same code are the same bytes, wherever they are packed.
    ben.pack([&number], place("again.zip")).unwrap();
    assert_eq!(
        std::fs::read(place("with.zip")).unwrap(),
        std::fs::read(place("again.zip")).unwrap()
    );
    Pack::new(&ada)
        .without_builds()
        .write([&number], place("without.zip"))
        .unwrap();
    let carol = store(&place("carol"));
    carol.unpack(place("without.zip")).unwrap();
    assert!(carol.realization(&number).unwrap().builds().is_empty());
    let texts = std::fs::read_dir(carol.root().join("code"))
        .unwrap()
        .count();
    assert_eq!(texts, 0);
}

#[test]
fn code_that_is_not_what_its_name_says_is_refused() {
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    let ada = store(&place("ada"));
    let number = ada.realize(&instantiate(Number::new()).unwrap()).unwrap();
    let builds = ada.realization(&number).unwrap().builds().to_vec();
    let fingerprint = builds[0].fingerprint.clone().unwrap();
    // In a store, it is left out: it is for people.
    let path = ada.root().join("code").join(&fingerprint);
    let list = std::fs::read_to_string(&path).unwrap();
    let (first, rest) = list.split_once('\n').unwrap();
    let (_, other) = rest.split_once('\n').unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, format!("{first}\n{other}")).unwrap();
    ada.pack([&number], place("archive.zip")).unwrap();
    let ben = store(&place("ben"));
    ben.unpack(place("archive.zip")).unwrap();
    assert_eq!(code_of(&ben, &number), None);
    let carol = store(&place("carol"));
    carol.copy_from(&ada, [&number]).unwrap();
    assert_eq!(code_of(&carol, &number), None);
}
