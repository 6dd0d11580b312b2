//! The digest of a tree, compared with its published vector and with an encoding by `prost`.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use proptest::collection::btree_map;
use proptest::prelude::*;
use prost::Message;
use pylightnix::config::Digest;
use pylightnix::store::{Entry, EntryKind, Manifest};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use tests::store::{config, publish, store};

/// The messages, with the field numbers of `remote_execution.proto`.
mod api {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Digest {
        #[prost(string, tag = "1")]
        pub(crate) hash: String,
        #[prost(int64, tag = "2")]
        pub(crate) size_bytes: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct FileNode {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(message, optional, tag = "2")]
        pub(crate) digest: Option<Digest>,
        #[prost(bool, tag = "4")]
        pub(crate) is_executable: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct DirectoryNode {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(message, optional, tag = "2")]
        pub(crate) digest: Option<Digest>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct SymlinkNode {
        #[prost(string, tag = "1")]
        pub(crate) name: String,
        #[prost(string, tag = "2")]
        pub(crate) target: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Directory {
        #[prost(message, repeated, tag = "1")]
        pub(crate) files: Vec<FileNode>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) directories: Vec<DirectoryNode>,
        #[prost(message, repeated, tag = "3")]
        pub(crate) symlinks: Vec<SymlinkNode>,
    }
}

#[derive(Clone, Debug)]
enum Node {
    File([u8; 32], u64, bool),
    Link(String),
    Dir(BTreeMap<String, Node>),
}

fn of_message(message: &impl Message) -> api::Digest {
    let bytes = message.encode_to_vec();
    api::Digest {
        hash: Digest::of(&bytes).to_string(),
        size_bytes: i64::try_from(bytes.len()).unwrap(),
    }
}

fn directory(nodes: &BTreeMap<String, Node>) -> api::Directory {
    let mut directory = api::Directory::default();
    for (name, node) in nodes {
        let name = name.clone();
        match node {
            Node::File(digest, size, is_executable) => directory.files.push(api::FileNode {
                name,
                digest: Some(api::Digest {
                    hash: Digest(*digest).to_string(),
                    size_bytes: i64::try_from(*size).unwrap(),
                }),
                is_executable: *is_executable,
            }),
            Node::Link(target) => directory.symlinks.push(api::SymlinkNode {
                name,
                target: target.clone(),
            }),
            Node::Dir(below) => directory.directories.push(api::DirectoryNode {
                name,
                digest: Some(of_message(&self::directory(below))),
            }),
        }
    }
    directory
}

fn flatten(prefix: &str, nodes: &BTreeMap<String, Node>, into: &mut Vec<Entry>) {
    for (name, node) in nodes {
        let path = format!("{prefix}{name}");
        let kind = match node {
            Node::File(digest, size, executable) => EntryKind::File {
                digest: Digest(*digest),
                size: *size,
                executable: *executable,
            },
            Node::Link(target) => EntryKind::Link {
                target: target.clone(),
            },
            Node::Dir(below) => {
                flatten(&format!("{path}/"), below, into);
                EntryKind::Dir
            }
        };
        into.push(Entry::new(path, kind));
    }
}

/// Generates names whose bytes sort close to `/`, and names that are not ASCII.
fn name() -> impl Strategy<Value = String> {
    "[a-b.+0é-]{1,4}".prop_filter("a name", |name| name != "." && name != "..")
}

fn tree() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let leaf = prop_oneof![
        (any::<[u8; 32]>(), 0..1_u64 << 40, any::<bool>())
            .prop_map(|(digest, size, executable)| Node::File(digest, size, executable)),
        "[^\0]{1,300}".prop_map(Node::Link),
    ];
    let node = leaf.prop_recursive(4, 40, 6, |below| {
        btree_map(name(), below, 0..6).prop_map(Node::Dir)
    });
    btree_map(name(), node, 0..6)
}

proptest! {
    #[test]
    fn equals_the_digest_that_prost_encodes(tree in tree(), seed in any::<u64>()) {
        let mut entries = Vec::new();
        flatten("", &tree, &mut entries);
        // In any order.
        let mut mix = seed;
        entries.sort_by_cached_key(|_| {
            mix = mix.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mix
        });
        let ours = Manifest::new(entries).unwrap().digest();
        let theirs = of_message(&directory(&tree));
        prop_assert_eq!(ours.digest.to_string(), theirs.hash);
        prop_assert_eq!(ours.size, u64::try_from(theirs.size_bytes).unwrap());
    }
}

#[test]
fn the_vector() {
    let (_folder, store) = store();
    let mut draft = store.plumbing().draft().unwrap();
    let out = draft.out().to_owned();
    // ANCHOR: vector
    fs::create_dir(out.join("bin")).unwrap();
    fs::write(out.join("bin/run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(out.join("bin/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(out.join("empty"), "").unwrap();
    fs::write(out.join("hello.txt"), "hello\n").unwrap();
    fs::create_dir(out.join("none")).unwrap();
    symlink("hello.txt", out.join("link")).unwrap();
    let id = publish(&mut draft, &config("vector")).unwrap().id;
    assert_eq!(
        store.realization(&id).unwrap().tree.to_string(),
        "8a4c9e76ad1c49cd39f750d85b84331125888c87ea3530d8f37c06dea76d4464/332"
    );
    // ANCHOR_END: vector
    let text = fs::read_to_string(store.realization_dir(&id).join("record")).unwrap();
    let (_, manifest) = text.split_once("/332\n").unwrap();
    let script = Digest::of(b"#!/bin/sh\n");
    assert_eq!(
        manifest,
        format!(
            "dir \"bin\"\n\
             file \"bin/run.sh\" {script} 10 x\n\
             file \"empty\" e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 -\n\
             file \"hello.txt\" 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 6 -\n\
             link \"link\" \"hello.txt\"\n\
             dir \"none\"\n"
        )
    );
}

#[test]
fn an_empty_tree() {
    assert_eq!(
        Manifest::new(Vec::new()).unwrap().digest().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0"
    );
}

#[test]
fn what_is_no_tree_is_refused() {
    let dir = |path: &str| Entry::new(path.to_owned(), EntryKind::Dir);
    let link = |path: &str, target: &str| {
        Entry::new(
            path.to_owned(),
            EntryKind::Link {
                target: target.to_owned(),
            },
        )
    };
    let deep = |names: usize| {
        let paths = (1..=names).map(|names| vec!["d"; names].join("/"));
        Manifest::new(paths.map(|path| dir(&path)).collect())
    };
    let refused = |entries: Vec<Entry>, why: &str| {
        let error = Manifest::new(entries).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(vec![dir("a"), link("a", "b")], "comes twice");
    refused(vec![dir("a/b")], "is in no folder of the tree");
    refused(
        vec![link("a", "x"), dir("a/b")],
        "is in no folder of the tree",
    );
    for path in ["", "/a", "a/", ".", "..", "a//b", "a/../b"] {
        refused(vec![dir("a"), dir(path)], "which is not valid");
    }
    refused(vec![dir(&"n".repeat(256))], "256 bytes");
    refused(vec![dir("a\0")], "NUL");
    refused(vec![link("a", "")], "target");
    refused(vec![link("a", &"n".repeat(4096))], "target");
    assert!(deep(128).is_ok());
    assert!(deep(129).unwrap_err().to_string().contains("129 deep"));
}
