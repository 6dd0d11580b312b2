//! Runs that take only results with certain signatures.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::keys::{Keys, Trust};
use pylightnix::prelude::*;
use pylightnix::realize::Report;
use std::fs;
use tempfile::TempDir;
use tests::line::Line;
use tests::store::folder;

/// A text.
#[derive(Config)]
struct Note {
    #[selfref("note.txt")]
    note: SelfRef<Text>,
    text: String,
}

#[stage]
fn note(b: &Build<Note>) -> Result<NoteOutputs> {
    Ok(NoteOutputs {
        note: b.note.save(&b.text)?,
    })
}

/// Its length.
#[derive(Config)]
struct Length {
    #[selfref("length.json")]
    length: SelfRef<Json<usize>>,
    #[dref]
    note: DRef<Note>,
}

#[stage]
fn length(b: &Build<Length>) -> Result<LengthOutputs> {
    let text = b.note.note.load()?;
    Ok(LengthOutputs {
        length: b.length.save(&text.len())?,
    })
}

fn plan() -> DRef<Length> {
    let note = instantiate(Note::new("a text".to_owned())).unwrap();
    instantiate(Length::new(note)).unwrap()
}

/// A person with a store, who may have a key.
struct Person {
    keys: Keys,
    store: Store,
    _folder: TempDir,
}

impl Person {
    fn without_key() -> Self {
        let folder = folder();
        let keys = Keys::at(folder.path().join("keys"));
        let store = Store::open(folder.path().join("store")).unwrap();
        Person {
            store: store.with_keys(keys.clone()),
            keys,
            _folder: folder,
        }
    }

    fn new() -> Self {
        let person = Person::without_key();
        person.keys.generate("me").unwrap();
        // The handle looked for a key when it was opened.
        let store = Store::open(person.store.root()).unwrap();
        Person {
            store: store.with_keys(person.keys.clone()),
            ..person
        }
    }

    fn knows(self, name: &str, other: &Person) -> Self {
        let key = other.keys.own().unwrap().unwrap().key;
        self.keys.trust(name, &key.to_pem()).unwrap();
        self
    }

    fn trust(&self, needed: usize, names: &[&str]) -> Trust {
        Trust::new(&self.keys, needed, names).unwrap()
    }

    fn run(&self, trust: Trust) -> pylightnix::Result<Report> {
        let run = Realize::new(&self.store).trust(trust);
        run.run_reporting(&plan()).map(|(_, report)| report)
    }

    /// Makes the results, and gives them to `other`.
    fn gives(&self, other: &Person) {
        let made = self.store.realize(&plan()).unwrap();
        other.store.copy_from(&self.store, [&made]).unwrap();
    }
}

#[test]
fn what_is_signed_is_taken_and_the_rest_is_built() {
    let alice = Person::new();
    let bob = Person::new().knows("alice", &alice);
    let unsigned = Person::without_key();
    unsigned.gives(&bob);
    let report = bob.run(bob.trust(1, &["alice"])).unwrap();
    assert_eq!((report.built, report.reused), (2, 0), "nobody signed them");
    // What the own key signed is enough.
    let report = bob.run(bob.trust(1, &["alice"])).unwrap();
    assert_eq!((report.built, report.reused), (0, 2));

    let carol = Person::without_key().knows("alice", &alice);
    alice.gives(&carol);
    let report = carol.run(carol.trust(1, &["alice"])).unwrap();
    assert_eq!((report.built, report.reused), (0, 2));
    // Of two whose names are asked for, one is missing.
    let carol = carol.knows("bob", &bob);
    let trust = || carol.trust(2, &["alice", "bob"]);
    let error = carol.run(trust()).unwrap_err().to_string();
    assert!(
        error.contains("takes only results that are signed by 2 of alice, bob")
            && error.contains("`key generate`"),
        "{error}"
    );
    bob.gives(&carol);
    let report = carol.run(trust()).unwrap();
    assert_eq!((report.built, report.reused), (0, 2), "the same, by both");
}

#[test]
fn a_strict_run_builds_once_and_names_who_must_confirm() {
    let alice = Person::new();
    let bob = Person::new().knows("alice", &alice);
    let trust = || bob.trust(1, &["alice"]).strict();
    for built in [true, false] {
        let error = bob.run(trust()).unwrap_err().to_string();
        assert!(error.contains("stage `note`"), "{error}");
        assert!(error.contains("it waits for 1 more of alice"), "{error}");
        let made = bob.store.rrefs().unwrap();
        assert_eq!(made.len(), 1, "what depends on it waits");
        let builds = bob.store.realization(&made[0]).unwrap().builds().len();
        assert_eq!(builds, 1, "it is built once: {built}");
    }
    alice.gives(&bob);
    let report = bob.run(trust()).unwrap();
    assert_eq!((report.built, report.reused), (0, 2));
}

#[test]
fn an_acceptance_is_signed_and_an_old_signature_is_not_one_of_todays_code() {
    let alice = Person::new();
    let bob = Person::without_key().knows("alice", &alice);
    let trust = || bob.trust(1, &["alice"]);
    let old = instantiate(Note::new("a text".to_owned())).unwrap();
    let by_hand = old.clone().with_realizer("other", |b| -> Result<()> {
        b.note.save("a text").map(drop).map_err(Into::into)
    });
    let made = alice.store.realize(&by_hand).unwrap();
    bob.store.copy_from(&alice.store, [&made]).unwrap();
    let run = |plan: &DRef<Note>| {
        Realize::new(&bob.store)
            .trust(trust())
            .trust_unknown()
            .run(plan)
    };
    assert!(run(&old).is_err(), "Alice signed it by other code");
    alice.store.accept(&old).unwrap();
    bob.store.copy_from(&alice.store, [&made]).unwrap();
    assert_eq!(run(&old).unwrap().id(), made.id());
}

#[test]
fn what_was_verified_is_remembered_and_nothing_else() {
    let alice = Person::new();
    let bob = Person::without_key().knows("alice", &alice);
    alice.gives(&bob);
    let trust = || bob.trust(1, &["alice"]);
    bob.run(trust()).unwrap();
    // Files of signatures are not read again ..
    let mut removed = 0;
    for rref in bob.store.rrefs().unwrap() {
        for entry in fs::read_dir(bob.store.realization_dir(&rref)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "sig") {
                fs::remove_file(path).unwrap();
                removed += 1;
            }
        }
    }
    assert_eq!(removed, 2);
    assert_eq!(bob.run(trust()).unwrap().reused, 2);
    // .. until the memory is gone, and a file of it that is damaged vouches for nothing.
    let memory = bob.store.root().join("cache/signatures");
    let bytes = fs::read(&memory).unwrap();
    let mut flipped = bytes.clone();
    for byte in flipped.iter_mut().skip(25) {
        *byte ^= 0xff;
    }
    for bytes in [&flipped[..], b"", &bytes[..30]] {
        fs::write(&memory, bytes).unwrap();
        assert!(bob.run(trust()).is_err());
    }
    fs::write(&memory, &bytes).unwrap();
    assert_eq!(bob.run(trust()).unwrap().reused, 2);
}

#[test]
fn a_forged_signature_counts_for_nothing() {
    let alice = Person::new();
    let bob = Person::without_key().knows("alice", &alice);
    // Alice signed another result, and Mallory gives her signature to his own.
    let other = instantiate(Note::new("another".to_owned())).unwrap();
    let other = alice.store.realize(&other).unwrap();
    let signed = alice.store.signatures(&other).unwrap()[0];
    let name = |build| format!("build-{build}.{}.sig", signed.key);
    let genuine = fs::read(alice.store.realization_dir(&other).join(name(signed.build))).unwrap();
    let mallory = Person::without_key();
    mallory.gives(&bob);
    for rref in bob.store.rrefs().unwrap() {
        let realization = bob.store.realization(&rref).unwrap();
        let build = realization.builds()[0].id;
        fs::write(bob.store.realization_dir(&rref).join(name(build)), &genuine).unwrap();
    }
    let error = bob.run(bob.trust(1, &["alice"])).unwrap_err().to_string();
    assert!(error.contains("stage `note`"), "{error}");
}

#[test]
fn who_is_asked_is_known() {
    let alice = Person::new();
    let bob = Person::new().knows("alice", &alice);
    let says = |needed: usize, names: &[&str], what: &str| {
        let error = Trust::new(&bob.keys, needed, names).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    };
    says(
        1,
        &["carol"],
        "no key has the name or the identifier `carol`; known are: `me`, `alice`",
    );
    says(2, &["alice"], "2 of 1 keys cannot be asked for");
    says(0, &["alice"], "0 of 1 keys cannot be asked for");
    says(1, &["alice", "alice"], "is named twice");
    bob.keys.revoke("alice").unwrap();
    says(1, &["alice"], "was revoked");
}

#[test]
fn the_command_line_makes_keys_and_asks_for_signatures() {
    let line = Line::empty(env!("CARGO_BIN_EXE_spread"));
    let said = line.say("key list");
    assert!(said.err.contains("there are no keys"), "{said:?}");
    assert_eq!(line.say("key generate me").code, 0);
    let alice = Person::new();
    let pem = alice.keys.named("me").unwrap().key.to_pem();
    fs::write(line.folder.path().join("alice.pem"), &pem).unwrap();
    assert_eq!(line.say("key trust alice alice.pem").code, 0);
    assert_eq!(line.out("key list --pem alice"), pem);
    let keys = line.json("key list");
    assert_eq!(keys[0]["standing"], "own");
    assert_eq!(keys[1]["name"], "alice");

    let said = line.say("run --leaves 2 --trust 1 of alice,bob");
    assert!(
        said.err
            .contains("no key has the name or the identifier `bob`"),
        "{said:?}"
    );
    let said = line.say("run --leaves 2 --trust one of alice");
    assert!(
        said.err.contains("`--trust 2 of alice,bob,carol`"),
        "{said:?}"
    );
    assert_eq!(line.say("run --leaves 2 --trust 1 of alice").code, 0);
    let said = line.say("plan --leaves 2 --trust 1 of alice --trust-strict");
    assert!(
        said.out.contains("it waits for 1 more of alice"),
        "{said:?}"
    );
    assert!(line.out("show sum").contains("signed by me (own)"));
    let said = line.say("run --leaves 2 --on processes --trust 1 of alice");
    assert!(
        said.err.contains("nothing to build: all 3 stages reused"),
        "{said:?}"
    );
    assert_eq!(line.say("key revoke me").code, 0);
    let said = line.say("run --leaves 3 --trust 1 of alice");
    assert!(
        said.code != 0 && said.err.contains("`key generate`"),
        "{said:?}"
    );
    assert_eq!(line.say("key sign sum").code, 1, "there is no key");
}
