//! Remotes that lie: segments, packs and blobs that are not what they claim to be.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::{Config, TestRunner};
use pylightnix::config::{Digest, RRefId};
use pylightnix::store::remote::{Pull, Push, Remote};
use pylightnix::store::{Context, Durability, Store};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::store::{config, config_on, folder, publish_on, publish_texts, store};

/// A store, a remote with two realizations of it, and the second one.
struct Shared {
    _folders: (TempDir, TempDir),
    from: Store,
    at: PathBuf,
    train: RRefId,
}

fn shared() -> Shared {
    let ((one, from), two) = (store(), folder());
    let large = "large ".repeat(20_000);
    let files = [("x", "1"), ("large", &large), ("d/y", "another")];
    let a = publish_texts(&from, &config("a"), &Context::empty(), &files);
    let train = publish_on(&from, &config_on("train", &config("a")), &[&a], "good");
    from.note(&train, "a note").unwrap();
    let at = two.path().join("remote");
    push(&from, &at, &train);
    Shared {
        _folders: (one, two),
        from,
        at,
        train,
    }
}

fn remote(at: &Path) -> Remote {
    Remote::open(&at.to_string_lossy()).unwrap()
}

fn push(from: &Store, at: &Path, rref: &RRefId) {
    Push::new(from, &remote(at)).run([rref]).unwrap();
}

/// Returns the only object in a folder of a remote, the list aside.
fn only(at: &Path, folder: &str) -> PathBuf {
    let entries = fs::read_dir(at.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| !path.ends_with("list")).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn inflated(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(&fs::read(path).unwrap()[..])
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Puts a segment with this text in the place of the only one, under the name that it has to have.
fn replace_segment(at: &Path, text: &[u8]) {
    let old = only(at, "index");
    let name = old.file_name().unwrap().to_str().unwrap();
    let bytes = deflated(text);
    let name = format!("{}-{}.gz", &name[..36], Digest::of(&bytes));
    fs::remove_file(&old).unwrap();
    fs::write(at.join("index").join(name), bytes).unwrap();
}

/// Pulls into a new store, which must have nothing then that is not whole, and says why `train` is left out.
fn said(at: &Path, train: &RRefId) -> String {
    let (_to, to) = store();
    let to = to.with_durability(Durability::None);
    let pulled = Pull::new(&to, &remote(at)).run([train]);
    let report = to.check().contents().run().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let is_here = to.has(train).unwrap();
    match pulled {
        Ok(pulled) => {
            assert_eq!(is_here, pulled.left_out.is_empty(), "{:?}", pulled.left_out);
            pulled
                .left_out
                .iter()
                .chain(&pulled.told)
                .map(|error| format!("{error}\n"))
                .collect()
        }
        Err(error) => {
            assert!(!is_here);
            error.to_string()
        }
    }
}

/// Each of these is a text in the segment, what a liar puts there instead, and a word of what is said.
#[test]
fn segments_that_lie_give_a_miss() {
    let shared = shared();
    let text = String::from_utf8(inflated(&only(&shared.at, "index"))).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("-train "))
        .unwrap()
        .to_owned();
    let word = |start: &str| {
        line.split(' ')
            .find(|word| word.starts_with(start))
            .unwrap()
            .to_owned()
    };
    let (at, builds, parts) = (word("at="), word("builds="), word("parts="));
    let other = text.lines().find(|line| line.contains("-a ")).unwrap();
    let other_at = other
        .split(' ')
        .find(|word| word.starts_with("at="))
        .unwrap();
    let pack = at[3..].split(':').next().unwrap();
    let rref = shared.train.to_string();
    let flipped = rref.replacen("rref:", "rref:0", 1)[..rref.len()].to_owned();
    let lies = [
        // Of something that is not there.
        (
            at.clone(),
            at.replace(pack, &"0".repeat(64)),
            "is not there",
        ),
        (at.clone(), at.replacen(":0+", ":7+", 1), ""),
        // Sizes that are absurd.
        (
            at.clone(),
            format!("at={pack}:0+18446744073709551615:0+9"),
            "is not understood",
        ),
        (
            at.clone(),
            format!("at={pack}:18446744073709551615+1:0+9"),
            "is not understood",
        ),
        (
            parts.clone(),
            parts.replacen("record:", "record:9999999999999999999", 1),
            "is not understood",
        ),
        (
            parts.clone(),
            parts.replacen("record:", "record:1", 1),
            "is not understood",
        ),
        // A path in place of a name.
        (
            parts.clone(),
            parts.replacen("build-", "..%2Fbuild-", 1),
            "is not understood",
        ),
        (
            parts.clone(),
            parts.replacen("build-", "../build-", 1),
            "is not understood",
        ),
        // Other bytes than those of the realization.
        (
            parts.clone(),
            parts.replacen("config.json", "config.yaml", 1),
            "is not understood",
        ),
        (at.clone(), other_at.to_owned(), ""),
        (rref.clone(), flipped, ""),
        // Other builds than the records say.
        (
            builds.clone(),
            builds.replace("/build/", "/import/"),
            "is not what the index says",
        ),
        (
            builds.clone(),
            builds.replace("/-/-", "/0123456789abcdef/-"),
            "is not what the index says",
        ),
        (
            builds.clone(),
            "builds=".to_owned(),
            "is not what the index says",
        ),
        (
            " ok ".to_owned(),
            " failed ".to_owned(),
            "is not what the index says",
        ),
        (
            word("deps="),
            "deps=".to_owned(),
            "is not what the index says",
        ),
    ];
    for (truth, lie, wanted) in lies {
        assert_ne!(truth, lie);
        let said = {
            let (_one, two) = ((), folder());
            let at = two.path().join("remote");
            tests::store::copy_all(&shared.at, &at);
            replace_segment(
                &at,
                text.replace(&line, &line.replace(&truth, &lie)).as_bytes(),
            );
            let said = said(&at, &shared.train);
            // A verification finds it, and a push mends it.
            let verified = remote(&at).verify(1.0).unwrap();
            assert!(!verified.is_sound() || said.is_empty(), "{lie}: {said}");
            push(&shared.from, &at, &shared.train);
            assert!(remote(&at).verify(1.0).unwrap().is_sound(), "{lie}");
            assert_eq!(self::said(&at, &shared.train), "", "{lie}");
            said
        };
        assert!(!said.is_empty() && said.contains(wanted), "{lie}: {said}");
    }
}

#[test]
fn a_segment_is_taken_as_a_whole_or_not_at_all() {
    let shared = shared();
    let text = String::from_utf8(inflated(&only(&shared.at, "index"))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let wrong = [
        String::new(),
        text.trim_end().to_owned(),
        text.replace("segment-v1", "segment-v2"),
        format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]),
        format!("{text}{}\n", lines[2]),
        format!("{text}zzz\n"),
        format!("{text}\n"),
        text.replace(" deps=", "  deps="),
    ];
    for wrong in wrong {
        replace_segment(&shared.at, wrong.as_bytes());
        let said = said(&shared.at, &shared.train);
        assert!(said.contains("is not at the remote"), "{wrong}: {said}");
    }
}

/// Bytes of the segment, or of what is in the pack, are changed, and all names made to fit, as a liar would.
#[test]
fn mutants_are_refused_or_harmless() {
    let shared = shared();
    let text = inflated(&only(&shared.at, "index"));
    let pack = inflated(&only(&shared.at, "pack"));
    let old = Digest::of(&fs::read(only(&shared.at, "pack")).unwrap()).to_string();
    let change = (any::<prop::sample::Index>(), 0..4_u8, any::<u8>());
    let changes = (any::<bool>(), prop::collection::vec(change, 1..4));
    let apply = |bytes: &[u8], changes: &[(prop::sample::Index, u8, u8)]| {
        let mut bytes = bytes.to_vec();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = *byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, *byte),
                _ => bytes[at] = b"0123456789abcdef:+,=/-. "[usize::from(*byte) % 24],
            }
        }
        bytes
    };
    let count = std::env::var("MUTANTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(200);
    let mut runner = TestRunner::new(Config::with_cases(count));
    let changes = changes.prop_map(|(in_pack, changes)| (in_pack, changes));
    let done = runner.run(&changes, |(in_pack, changes)| {
        let folder = folder();
        let at = folder.path().join("remote");
        tests::store::copy_all(&shared.at, &at);
        if in_pack {
            let bytes = deflated(&apply(&pack, &changes));
            let name = Digest::of(&bytes).to_string();
            fs::remove_file(only(&at, "pack")).unwrap();
            fs::write(at.join(format!("pack/{name}.gz")), &bytes).unwrap();
            let text = String::from_utf8(text.clone())
                .unwrap()
                .replace(&old, &name);
            // One member now, of this length.
            let lines = text.lines().map(|line| {
                let Some((before, rest)) = line.split_once(&format!("{name}:")) else {
                    return format!("{line}\n");
                };
                let rest = rest.split_once(':').unwrap().1;
                format!("{before}{name}:0+{}:{rest}\n", bytes.len())
            });
            replace_segment(&at, lines.collect::<String>().as_bytes());
        } else {
            replace_segment(&at, &apply(&text, &changes));
        }
        // Nothing panics, and nothing is published that is not whole.
        said(&at, &shared.train);
        remote(&at).verify(1.0).unwrap();
        Ok(())
    });
    done.unwrap();
}
