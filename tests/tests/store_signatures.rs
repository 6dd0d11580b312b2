//! Signatures of results: who makes them, that they travel, and that a wrong one counts nowhere.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::ErrorKind;
use pylightnix::config::RRefId;
use pylightnix::keys::{KeyStanding, Keys, PublicKey};
use pylightnix::prelude::*;
use pylightnix::store::{Context, FaultKind, Pack, Unpack};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tests::crafted::Zip;
use tests::store::{config, publish_on, publish_texts, store};

/// How another program verifies a signature: the book shows it.
const RECIPE: &str = r#"
# ANCHOR: recipe
sig=$(ls build-*.sig)
build=${sig%%.*}.json
sha() { sha256sum <"$1" | cut -d' ' -f1; }
printf 'pylightnix-sig-v1\n%s\n%s\n' "$(sha record)" "$(sha "$build")" >"$TMPDIR/message"
sed -n 3p "$sig" | base64 -d >"$TMPDIR/signature"
openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in "$TMPDIR/message" -sigfile "$TMPDIR/signature"
sed -n 2p "$sig" | base64 -d | sha256sum | cut -c1-16  # whose it is, as in its name
# ANCHOR_END: recipe
"#;

/// A person with a store and a key.
struct Person {
    folder: TempDir,
    keys: Keys,
    store: Store,
    key: PublicKey,
}

impl Person {
    fn new(name: &str) -> Self {
        let (folder, store) = store();
        let keys = Keys::at(folder.path().join("keys"));
        let key = keys.generate(name).unwrap();
        Person {
            store: store.with_keys(keys.clone()),
            folder,
            keys,
            key,
        }
    }

    /// Publishes a realization.
    fn publishes(&self, name: &str, text: &str) -> RRefId {
        let files = [("file", text)];
        publish_texts(&self.store, &config(name), &Context::empty(), &files)
    }
}

/// Returns the files of the signatures of a realization.
fn signatures(store: &Store, rref: &RRefId) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.realization_dir(rref)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "sig"))
        .collect();
    paths.sort();
    paths
}

/// Replaces a file that cannot be written.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_published_is_signed_and_openssl_verifies_it() {
    let alice = Person::new("alice");
    let rref = alice.publishes("a", "text");
    let [signature] = &alice.store.signatures(&rref).unwrap()[..] else {
        panic!("it has one signature")
    };
    assert!(signature.is_valid && signature.key == alice.key.id());
    assert!(alice.store.check().contents().run().unwrap().is_sound());

    // As the page of the format says.
    let script = format!("set -e\n{RECIPE}");
    let pem = alice.folder.path().join("alice.pem");
    fs::write(&pem, alice.key.to_pem()).unwrap();
    let said = Command::new("sh")
        .args(["-c", &script])
        .current_dir(alice.store.realization_dir(&rref))
        .env("KEY", &pem)
        .env("TMPDIR", alice.folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8(said.stdout).unwrap();
    let id = alice.key.id().to_string();
    assert!(
        said.status.success()
            && out.contains("Signature Verified Successfully")
            && out.contains(&id),
        "{out}{}",
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
fn keys_of_openssl_sign_too() {
    let (folder, store) = store();
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    let script = "openssl genpkey -algorithm ed25519 -out me.secret && openssl pkey -in me.secret -pubout -out me.own && chmod 600 me.secret";
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(&keys)
        .status();
    assert!(status.unwrap().success());
    let store = store.with_keys(Keys::at(&keys));
    let rref = publish_texts(&store, &config("a"), &Context::empty(), &[]);
    assert!(store.signatures(&rref).unwrap()[0].is_valid);
}

#[test]
fn signatures_travel_and_are_united() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let rref = alice.publishes("a", "text");
    let on = publish_on(
        &alice.store,
        &tests::store::config_on("b", &config("a")),
        &[&rref],
        "b",
    );
    // Bob makes the same.
    assert_eq!(bob.publishes("a", "text"), rref);
    bob.store.copy_from(&alice.store, [&on]).unwrap();
    let signed = |store: &Store, rref: &RRefId| -> Vec<_> {
        let all = store.signatures(rref).unwrap().into_iter();
        let mut keys: Vec<_> = all.filter(|one| one.is_valid).map(|one| one.key).collect();
        keys.sort();
        keys
    };
    let mut both = vec![alice.key.id(), bob.key.id()];
    both.sort();
    assert_eq!(signed(&bob.store, &rref), both);
    assert_eq!(signed(&bob.store, &on), [alice.key.id()]);
    // And back by an archive.
    let archive = bob.folder.path().join("results.zip");
    bob.store.pack([&on], &archive).unwrap();
    alice.store.unpack(&archive).unwrap();
    assert_eq!(signed(&alice.store, &rref), both);
    // A third person signs what is there already.
    let carol = Person::new("carol");
    carol.store.unpack(&archive).unwrap();
    assert_eq!(signed(&carol.store, &on), [alice.key.id()]);
    assert_eq!(carol.store.sign(&on).unwrap(), 1);
    assert_eq!(carol.store.sign(&on).unwrap(), 0, "it is written once");
    assert!(signed(&carol.store, &on).contains(&carol.key.id()));
    for person in [&alice, &bob, &carol] {
        assert!(person.store.check().contents().run().unwrap().is_sound());
    }
}

#[test]
fn a_wrong_signature_is_a_fault_and_does_not_travel() {
    let alice = Person::new("alice");
    let rref = alice.publishes("a", "text");
    let other = alice.publishes("b", "text");
    let (mine, theirs) = (
        signatures(&alice.store, &rref),
        signatures(&alice.store, &other),
    );
    let good = fs::read(&mine[0]).unwrap();
    let flipped = {
        let mut bytes = good.clone();
        let last = bytes.len() - 10;
        bytes[last] ^= 1;
        bytes
    };
    let of_another = fs::read(&theirs[0]).unwrap();
    for bytes in [
        &flipped[..],
        &of_another,
        b"",
        b"pylightnix-sig-v1\n",
        &good[1..],
    ] {
        replace(&mine[0], bytes);
        assert!(!alice.store.signatures(&rref).unwrap()[0].is_valid);
        let report = alice.store.check().run().unwrap();
        assert_eq!(report.faults.len(), 1, "{report:?}");
        assert_eq!(report.faults[0].kind, FaultKind::Signature);
        assert_eq!(report.faults[0].path, mine[0]);
        let (_folder, elsewhere) = store();
        elsewhere.copy_from(&alice.store, [&rref]).unwrap();
        assert!(signatures(&elsewhere, &rref).is_empty());
    }
    // The build record is another one than was signed.
    replace(&mine[0], &good);
    assert!(alice.store.check().run().unwrap().is_sound());
    let record = mine[0].with_extension("").with_extension("json");
    let text = fs::read_to_string(&record).unwrap();
    replace(
        &record,
        text.replace("\"kind\": \"build\"", "\"kind\":  \"build\"")
            .as_bytes(),
    );
    assert!(!alice.store.signatures(&rref).unwrap()[0].is_valid);
    let repaired = alice.store.repair().run().unwrap();
    assert_eq!(repaired.repaired.len(), 1, "{repaired:?}");
    assert!(signatures(&alice.store, &rref).is_empty());
    assert!(alice.store.check().run().unwrap().is_sound());
}

#[test]
fn an_archive_with_a_wrong_signature_is_refused() {
    let alice = Person::new("alice");
    let rref = alice.publishes("a", "text");
    let archive = alice.folder.path().join("results.zip");
    Pack::new(&alice.store).write([&rref], &archive).unwrap();
    // Another valid file of the same key: that of another result.
    let other = alice.publishes("b", "text");
    let forged = fs::read(&signatures(&alice.store, &other)[0]).unwrap();
    let mut zip = Zip::parse(&fs::read(&archive).unwrap()).unwrap();
    zip.item(".sig").keep(&forged);
    let forged = alice.folder.path().join("forged.zip");
    fs::write(&forged, zip.bytes()).unwrap();
    let (_folder, elsewhere) = store();
    let error = Unpack::new(&elsewhere).read(&forged).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Archive);
    let why = "is not a signature of its build by that key";
    assert!(error.to_string().contains(why), "{error}");
    assert!(elsewhere.rrefs().unwrap().is_empty());
}

/// A note.
#[derive(Config)]
struct Note {
    #[selfref("note.txt")]
    note: SelfRef<Text>,
}

#[stage]
fn note(b: &Build<Note>) -> Result<NoteOutputs> {
    Err(std::io::Error::other(format!("{} began", b.dref())).into())
}

#[test]
fn a_key_that_cannot_sign_is_told_before_a_stage_runs() {
    let alice = Person::new("alice");
    let secret = alice.keys.folder().join("alice.secret");
    let mode = |mode| fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(
        fs::metadata(&secret).unwrap().permissions().mode() & 0o777,
        0o600
    );
    mode(0o640);
    let plan = instantiate(Note::new()).unwrap();
    let error = format!("{:?}", alice.store.realize(&plan).unwrap_err());
    assert!(
        error.contains("can be read by others") && error.contains("chmod 600"),
        "{error}"
    );
    assert!(!error.contains("began"), "{error}");
}

#[test]
fn keys_have_names_that_are_told_apart() {
    let (alice, bob) = (Person::new("me"), Person::new("me"));
    let says = |done: pylightnix::Result<PublicKey>, what: &str| {
        let error = done.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Key);
        assert!(error.to_string().contains(what), "{error}");
    };
    says(
        alice.keys.generate("another"),
        "there is a key of yours already, `me`",
    );
    says(
        alice.keys.trust("me", &bob.key.to_pem()),
        "is the name of the key",
    );
    says(
        alice.keys.trust("bob", "no key"),
        "not a public Ed25519 key",
    );
    // A key of small order, which would verify anything.
    let weak = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    says(alice.keys.trust("bob", weak), "not a public Ed25519 key");
    alice.keys.trust("bob", &bob.key.to_pem()).unwrap();
    alice.keys.trust("bob", &bob.key.to_pem()).unwrap();
    says(
        alice.keys.trust("robert", &bob.key.to_pem()),
        "known here as `bob` (trusted)",
    );
    assert_eq!(
        alice.keys.named(&bob.key.id().to_string()).unwrap().name,
        "bob"
    );
    alice.keys.revoke("bob").unwrap();
    says(alice.keys.trust("bob", &bob.key.to_pem()), "(revoked)");
    alice.keys.revoke("me").unwrap();
    assert!(alice.keys.own().unwrap().is_none());
    assert!(!alice.keys.folder().join("me.secret").exists());
    let standings: Vec<_> = (alice.keys.list().unwrap().iter())
        .map(|known| known.standing)
        .collect();
    assert_eq!(standings, [KeyStanding::Revoked; 2]);
    // Nothing is signed any more.
    let store = alice.store.with_keys(alice.keys.clone());
    let rref = publish_texts(&store, &config("a"), &Context::empty(), &[]);
    assert!(store.signatures(&rref).unwrap().is_empty());
}
