//! Names and references: parsing, formatting, order, serde, and invalid texts.
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use proptest::prelude::*;
use pylightnix::ErrorKind;
use pylightnix::config::{DRefId, Digest, Name, RRefId};

const DREF: &str = "dref:7c308bad0e7fa364790b71e6ffab924a-params";
const RREF: &str = "rref:0123456789abcdef0123456789abcdef-7c308bad0e7fa364790b71e6ffab924a-params";

fn name() -> impl Strategy<Value = Name> {
    // Names with dashes, digits and even hashes: the parts are separated by their lengths.
    "[a-zA-Z0-9_-]{1,70}|-[0-9a-f]{32}-|[a-z]{200}".prop_map(|text| Name::new(&text).unwrap())
}

fn dref() -> impl Strategy<Value = DRefId> {
    (any::<[u8; 16]>(), name()).prop_map(|(hash, name)| DRefId::new(hash, name))
}

proptest! {
    #[test]
    fn references_print_and_parse(dref in dref(), hash: [u8; 16]) {
        prop_assert_eq!(&dref.to_string().parse::<DRefId>().unwrap(), &dref);
        prop_assert_eq!(DRefId::from_folder(&dref.folder()).unwrap(), dref.clone());
        prop_assert_eq!(format!("dref:{}", dref.folder()), dref.to_string());

        let rref = RRefId::new(hash, dref.clone());
        prop_assert_eq!(&rref.to_string().parse::<RRefId>().unwrap(), &rref);
        prop_assert_eq!(RRefId::from_folder(&dref, &rref.folder()).unwrap(), rref.clone());
        prop_assert_eq!(rref.to_string(), format!("rref:{}-{}", rref.folder(), dref.folder()));
        prop_assert_eq!(rref.dref(), &dref);
        prop_assert_eq!(rref.name(), dref.name());
    }

    #[test]
    fn references_sort_as_their_texts(mut drefs in prop::collection::vec(dref(), 0..20), hash: [u8; 16], flip: bool) {
        // With equal hashes, the names determine the order.
        for dref in &mut drefs {
            if flip {
                *dref = DRefId::new(hash, dref.name().clone());
            }
        }
        let mut texts: Vec<String> = drefs.iter().map(DRefId::to_string).collect();
        texts.sort();
        drefs.sort();
        prop_assert_eq!(drefs.iter().map(DRefId::to_string).collect::<Vec<_>>(), texts);

        let mut rrefs: Vec<RRefId> =
            drefs.iter().enumerate().map(|(at, dref)| RRefId::new([at as u8 % 3; 16], dref.clone())).collect();
        let mut texts: Vec<String> = rrefs.iter().map(RRefId::to_string).collect();
        texts.sort();
        rrefs.sort();
        prop_assert_eq!(rrefs.iter().map(RRefId::to_string).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn references_are_strings_to_serde(dref in dref(), hash: [u8; 16]) {
        let json = serde_json::to_string(&dref).unwrap();
        prop_assert_eq!(&json, &format!("\"{dref}\""));
        prop_assert_eq!(&serde_json::from_str::<DRefId>(&json).unwrap(), &dref);
        let rref = RRefId::new(hash, dref);
        let value = serde_json::to_value(&rref).unwrap();
        prop_assert_eq!(serde_json::from_value::<RRefId>(value).unwrap(), rref);
    }

    #[test]
    fn nothing_else_parses(text in "(dref:|rref:|)[0-9a-fA-F]{30,34}(-[0-9a-f]{31,33})?-?[a-z_.é-]{0,3}") {
        if let Ok(dref) = text.parse::<DRefId>() {
            prop_assert_eq!(dref.to_string(), text);
        } else if let Ok(rref) = text.parse::<RRefId>() {
            prop_assert_eq!(rref.to_string(), text);
        }
    }
}

#[test]
fn malformed_references_are_errors_that_say_the_form() {
    let upper = DREF.replace('a', "A");
    let folder = &DREF["dref:".len()..];
    for text in [
        "",
        "dref:",
        "params",
        "dref:7c308bad-params",
        "dref:7c308bad0e7fa364790b71e6ffab924a-",
        "dref:7c308bad0e7fa364790b71e6ffab924a",
        "dref:7c308bad0e7fa364790b71e6ffab924a-a b",
        "dref:7c308bad0e7fa364790b71e6ffab924a-../x",
        "dref:7c308bad0e7fa364790b71e6ffab924g-params",
        "dref:7c308bad0e7fa364790b71e6ffab92\u{e9}-params",
        " dref:7c308bad0e7fa364790b71e6ffab924a-params",
        &upper,
        folder,
        RREF,
    ] {
        let error = text.parse::<DRefId>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reference, "{text}");
        assert_eq!(
            error.to_string(),
            format!("`{text}` is not a reference of a derivation")
        );
        assert!(
            format!("{error:?}").contains("the form dref:<hash>-<name>, with 32 lowercase hex"),
            "{error:?}"
        );
    }
    for text in [
        "",
        DREF,
        &RREF[1..],
        &RREF.replace("-7c", "-7"),
        &RREF.replace("rref:0", "rref:"),
    ] {
        let error = text.parse::<RRefId>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reference, "{text}");
        assert!(
            format!("{error:?}").contains("rref:<hash>-<dref hash>-<name>"),
            "{error:?}"
        );
    }
    let error = serde_json::from_str::<DRefId>("\"params\"").unwrap_err();
    assert!(
        error.to_string().contains("`params` is not a reference"),
        "{error}"
    );
    serde_json::from_str::<DRefId>("5").unwrap_err();
}

#[test]
fn folders_that_are_no_references() {
    for folder in [
        "",
        "params",
        "tmp",
        DREF,
        "7c308bad0e7fa364790b71e6ffab924a-params.tmp",
    ] {
        assert_eq!(DRefId::from_folder(folder), None, "{folder}");
    }
    let dref: DRefId = DREF.parse().unwrap();
    for folder in ["", "config.json", "0123456789ABCDEF0123456789ABCDEF", RREF] {
        assert_eq!(RRefId::from_folder(&dref, folder), None, "{folder}");
    }
}

#[test]
fn names_that_are_refused() {
    let long = "a".repeat(Name::MAX_LEN + 1);
    for (text, fault) in [
        ("", "is empty"),
        ("no spaces", "has the invalid character ' '"),
        ("caf\u{e9}", "has the invalid character 'é'"),
        ("a/b", "has the invalid character '/'"),
        ("..", "has the invalid character '.'"),
        ("a\n", r"has the invalid character '\n'"),
        (&long, "has 201 characters, and 200 are allowed"),
    ] {
        let error = Name::new(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reference);
        assert_eq!(error.to_string(), format!("the name {text:?} {fault}"));
        assert!(
            format!("{error:?}").contains("use only a-z, A-Z, 0-9, `_` and `-`"),
            "{error:?}"
        );
    }
    assert_eq!(Name::new(&long[1..]).unwrap().as_str().len(), 200);
}

#[test]
fn digests_print_and_parse() {
    let empty = Digest::of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(empty.to_string(), text);
    assert_eq!(text.parse::<Digest>().unwrap(), empty);
    assert_eq!(empty.half()[..], empty.0[..16]);
    let error = text[1..].parse::<Digest>().unwrap_err();
    assert!(
        error.to_string().contains("64 lowercase hex digits"),
        "{error}"
    );
}
