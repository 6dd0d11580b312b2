//! The text of records: parsing accepts exactly what formatting writes.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use proptest::prelude::*;
use pylightnix::config::{DRefId, Digest, Name, RRefId};
use pylightnix::store::{Context, Entry, EntryKind, Manifest, Outcome, Record};
use std::collections::BTreeMap;

fn rref() -> impl Strategy<Value = RRefId> {
    // Few derivations, so that some have several realizations.
    (any::<[u8; 16]>(), 0..3_u8, "[ab]").prop_map(|(hash, dref, name)| {
        RRefId::new(hash, DRefId::new([dref; 16], Name::new(&name).unwrap()))
    })
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        Just(EntryKind::Dir),
        "[^\0]{1,20}".prop_map(|target| EntryKind::Link { target }),
        (any::<[u8; 32]>(), any::<u64>(), any::<bool>()).prop_map(|(digest, size, executable)| {
            EntryKind::File {
                digest: Digest(digest),
                size,
                executable,
            }
        }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let entries = proptest::collection::btree_map("[^/\0]{1,12}", kind(), 0..8).prop_map(
        |entries: BTreeMap<String, EntryKind>| {
            entries
                .into_iter()
                .filter(|(path, _)| path != "." && path != "..")
                .map(|(path, kind)| Entry::new(path, kind))
                .collect()
        },
    );
    (
        any::<[u8; 32]>(),
        proptest::collection::vec(rref(), 0..6),
        any::<bool>(),
        entries,
    )
        .prop_map(|(derivation, rrefs, failed, entries)| {
            Record::new(
                Digest(derivation),
                Context::from_iter(rrefs),
                if failed { Outcome::Failed } else { Outcome::Ok },
                Manifest::new(entries).unwrap(),
            )
        })
}

proptest! {
    #[test]
    fn is_read_as_it_is_printed(record in record()) {
        let text = record.to_text();
        prop_assert_eq!(Record::parse(&text).unwrap(), record);
    }

    #[test]
    fn what_parses_is_canonical(
        record in record(),
        at in any::<prop::sample::Index>(),
        with in any::<char>(),
    ) {
        let mut text: Vec<char> = record.to_text().chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(parsed) = Record::parse(&text) {
            prop_assert_eq!(parsed.to_text(), text);
        }
    }

    #[test]
    fn contexts_forget_order_and_repetition(rrefs in proptest::collection::vec(rref(), 0..6)) {
        let context = Context::from_iter(rrefs.clone());
        let again = Context::from_iter(rrefs.iter().rev().chain(&rrefs).cloned());
        prop_assert_eq!(&context, &again);
        for (dref, taken) in context.iter() {
            prop_assert!(taken.is_sorted() && !taken.is_empty());
            prop_assert!(taken.iter().all(|rref| rref.dref() == dref));
            prop_assert_eq!(context.get(dref), taken);
        }
        prop_assert!(rrefs.iter().all(|rref| context.get(rref.dref()).contains(rref)));
    }
}

const A: &str = "rref:00000000000000000000000000000001-7c308bad0e7fa364790b71e6ffab924a-params";
const B: &str = "rref:00000000000000000000000000000002-7c308bad0e7fa364790b71e6ffab924a-params";
const D: &str = "dref:7c308bad0e7fa364790b71e6ffab924a-params";

fn sample() -> String {
    let manifest = Manifest::new(vec![
        Entry::new("bin", EntryKind::Dir),
        Entry::new(
            "bin/run \"it\"",
            EntryKind::File {
                digest: Digest::of(b""),
                size: 0,
                executable: true,
            },
        ),
        Entry::new(
            "link",
            EntryKind::Link {
                target: "é\n".into(),
            },
        ),
    ])
    .unwrap();
    let context = [A, B]
        .map(|rref| rref.parse().unwrap())
        .into_iter()
        .collect();
    Record::new(Digest::of(b"{}"), context, Outcome::Ok, manifest).to_text()
}

#[test]
fn the_text() {
    let text = sample();
    let (head, rest) = text.split_once("\nout ").unwrap();
    let (_, manifest) = rest.split_once('\n').unwrap();
    let drv = Digest::of(b"{}");
    assert_eq!(
        head,
        format!("pylightnix-realization-v1\ndrv {drv}\ndep {D} {A} {B}\nres ok")
    );
    let empty = Digest::of(b"");
    assert_eq!(
        manifest,
        format!("dir \"bin\"\nfile \"bin/run \\\"it\\\"\" {empty} 0 x\nlink \"link\" \"é\\n\"\n")
    );
}

#[test]
fn anything_else_is_refused() {
    let text = sample();
    assert!(Record::parse(&text).is_ok());
    let refused = |from: &str, to: &str, why: &str| {
        assert!(text.contains(from), "{from:?} is not in the sample");
        let error = Record::parse(&text.replacen(from, to, 1)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(why), "{from:?} -> {to:?}: {error}");
    };
    let (_, rest) = text.split_once("out ").unwrap();
    let (tree, _) = rest.split_once('/').unwrap();
    refused("-v1", "-v2", "line 1 is");
    refused("drv ", "drv  ", "line 2 is");
    refused(&format!("{A} {B}"), &format!("{B} {A}"), "canonical");
    refused(&format!("{A} {B}"), &format!("{A} {A} {B}"), "canonical");
    refused(&format!("{A} {B}"), &format!("{A} {B} "), "line 3 is");
    refused(&format!(" {A} {B}"), "", "canonical");
    refused(&format!("{D} {A}"), &format!("{D}x {A}"), "line 3 is");
    refused("res ok", "res fine", "line 4 is");
    refused("out ", "out 0", "line 5 is");
    refused(tree, &Digest::of(b"x").to_string(), "digest of its entries");
    refused("dir \"bin\"\n", "", "in no folder");
    refused("dir \"bin\"\n", "dir \"bin\" \n", "line 6 is");
    refused("dir \"bin\"\n", "dir \"bin\"\r\n", "canonical");
    refused("dir \"bin\"\n", "dir \"bin\"\n\n", "line 7 is");
    refused("dir \"bin\"\n", "dir \"b\\u0069n\"\n", "canonical");
    refused("dir \"bin\"\n", "dir \"bin\"\ndir \"bin\"\n", "comes twice");
    refused(" 0 x", " 00 x", "canonical");
    refused(" 0 x", " 0 -", "digest of its entries");
    refused(" 0 x", " 0 y", "line 7 is");
    refused(" 0 x", " 0 x x", "line 7 is");
    refused("link \"link\"", "link  \"link\"", "canonical");
    refused("link \"link\"", "node \"link\"", "line 8 is");
    for end in 0..text.len() {
        if text.is_char_boundary(end) {
            assert!(Record::parse(&text[..end]).is_err(), "cut at {end}");
        }
    }
}
