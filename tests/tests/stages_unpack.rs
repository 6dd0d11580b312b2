//! Archives of other programs, valid and hostile.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use pylightnix::prelude::*;
use pylightnix::stages::{Unpacked, file, node, node_files, unpack};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tests::runs::{assert_says, scratch};
use tests::store::{Mount, can_mount};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

// Archives.

/// Creates an entry of a tar archive, with any name and type.
fn entry(kind: u8, name: &[u8], target: &[u8], mode: &[u8; 7], data: &[u8]) -> Vec<u8> {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(mode);
    block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    block[156] = kind;
    block[157..157 + target.len()].copy_from_slice(target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    summed(&mut block);
    let mut bytes = block.to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn summed(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn a_file(name: &str, data: &[u8]) -> Vec<u8> {
    entry(b'0', name.as_bytes(), b"", b"0000644", data)
}

fn a_folder(name: &str) -> Vec<u8> {
    entry(b'5', name.as_bytes(), b"", b"0000755", b"")
}

fn a_link(name: &str, target: &str) -> Vec<u8> {
    entry(b'2', name.as_bytes(), target.as_bytes(), b"0000777", b"")
}

fn a_hard_link(name: &str, target: &str) -> Vec<u8> {
    entry(b'1', name.as_bytes(), target.as_bytes(), b"0000644", b"")
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// Creates a zip file with these files.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Replaces every `from` in the bytes, for names that a writer refuses.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "nothing to patch");
    bytes
}

// Unpacking.

fn unpacked(store: &Store, archive: &[u8]) -> pylightnix::Result<PathBuf> {
    let dref = unpack(node::<Bytes>("archive", archive)?)?;
    Ok(store.realize(&dref)?.out.path().to_owned())
}

fn unpacked_with(
    store: &Store,
    archive: &[u8],
    change: impl FnOnce(Unpacked) -> Unpacked,
) -> pylightnix::Result<PathBuf> {
    let archive = node::<Bytes>("archive", archive)?;
    let config = change(Unpacked::new(archive.out.opaque()));
    Ok(store.realize(&instantiate(config)?)?.out.path().to_owned())
}

#[track_caller]
fn refused(store: &Store, archive: &[u8], what: &[&str]) {
    let error = unpacked(store, archive).unwrap_err();
    assert_says(&error, &["cannot unpack"]);
    assert_says(&error, what);
}

/// Lists everything in a folder, one entry per line.
fn listing(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let data = path.symlink_metadata().unwrap();
            if data.is_dir() {
                lines.push(format!("{name}/"));
                waiting.push(path);
            } else if data.is_symlink() {
                lines.push(format!(
                    "{name} -> {}",
                    fs::read_link(&path).unwrap().display()
                ));
            } else {
                let x = if data.permissions().mode() & 0o100 != 0 {
                    "*"
                } else {
                    ""
                };
                let text = fs::read_to_string(&path).unwrap();
                lines.push(format!("{name}{x} {text:?}"));
            }
        }
    }
    lines.sort();
    lines
}

fn hello() -> Vec<u8> {
    tar(&[
        a_folder("hello-1.0/"),
        entry(
            b'0',
            b"hello-1.0/configure",
            b"",
            b"0000755",
            b"#!/bin/sh\n",
        ),
        a_file("hello-1.0/src/hello.c", b"int main;"),
        a_link("hello-1.0/main.c", "src/hello.c"),
        a_hard_link("hello-1.0/again", "hello-1.0/configure"),
        entry(b'0', b"hello-1.0/suid", b"", b"0004777", b""),
    ])
}

const HELLO: [&str; 7] = [
    "hello-1.0/",
    "hello-1.0/again* \"#!/bin/sh\\n\"",
    "hello-1.0/configure* \"#!/bin/sh\\n\"",
    "hello-1.0/main.c -> src/hello.c",
    "hello-1.0/src/",
    "hello-1.0/src/hello.c \"int main;\"",
    "hello-1.0/suid* \"\"",
];

#[test]
fn tar_archives_are_unpacked_however_compressed() -> Result<()> {
    let (_folder, store) = scratch();
    for archive in [hello(), gz(&hello()), xz(&hello()), zst(&hello())] {
        let out = unpacked(&store, &archive)?;
        assert_eq!(listing(&out), HELLO);
        let mode = out.join("hello-1.0/suid").metadata()?.permissions().mode();
        assert_eq!(mode & 0o7777, 0o555, "modes are the store's");
    }
    Ok(())
}

#[test]
fn compressed_files_are_decompressed() -> Result<()> {
    let (_folder, store) = scratch();
    let text = "no archive\n".repeat(10_000);
    for file in [
        gz(text.as_bytes()),
        xz(text.as_bytes()),
        zst(text.as_bytes()),
    ] {
        let out = unpacked(&store, &file)?;
        assert_eq!(fs::read_to_string(out)?, text);
    }
    // Several members, streams or frames are one file.
    for pack in [gz, xz, zst] {
        let both = [pack(b"one "), pack(b"two")].concat();
        assert_eq!(fs::read_to_string(unpacked(&store, &both)?)?, "one two");
        assert_eq!(fs::read_to_string(unpacked(&store, &pack(b""))?)?, "");
    }
    let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zst(b"rest")].concat();
    assert_eq!(fs::read_to_string(unpacked(&store, &skipped)?)?, "rest");
    Ok(())
}

#[test]
fn zip_files_are_unpacked() -> Result<()> {
    let (_folder, store) = scratch();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let plain = SimpleFileOptions::default();
    writer.add_directory("top", plain)?;
    writer.start_file("top/run", plain.unix_permissions(0o777))?;
    writer.write_all("text ".repeat(1000).as_bytes())?;
    writer.start_file(
        "top/deep/\u{e9}",
        plain.compression_method(zip::CompressionMethod::Stored),
    )?;
    writer.write_all(b"stored")?;
    writer.add_symlink("link", "top/deep", plain)?;
    let archive = writer.finish()?.into_inner();
    let out = unpacked(&store, &archive)?;
    let text = format!("top/run* {:?}", "text ".repeat(1000));
    let expected = [
        "link -> top/deep",
        "top/",
        "top/deep/",
        "top/deep/\u{e9} \"stored\"",
        &text,
    ];
    assert_eq!(listing(&out), expected);
    let none = unpacked(&store, &zip(&[]))?;
    assert_eq!(listing(&none).len(), 0);
    Ok(())
}

#[test]
fn any_artifact_can_be_an_archive() -> Result<()> {
    let (folder, store) = scratch();
    let path = folder.path().join("hello.tar.gz");
    fs::write(&path, gz(&hello()))?;
    let imported = unpack(file(&store, &path)?)?;
    assert_eq!(listing(store.realize(&imported)?.out.path()), HELLO);
    let files = node_files("files", [("deep/hello.zip", zip(&[("a", b"1")]))])?;
    let within = unpack(files.out.join("deep/hello.zip")?)?;
    assert_eq!(listing(store.realize(&within)?.out.path()), ["a \"1\""]);
    Ok(())
}

#[test]
fn names_are_stripped() -> Result<()> {
    let (_folder, store) = scratch();
    let strip = |strip| move |config| Unpacked { strip, ..config };
    let out = unpacked_with(&store, &hello(), strip(1))?;
    let stripped: Vec<_> = HELLO[1..]
        .iter()
        .map(|line| &line["hello-1.0/".len()..])
        .collect();
    assert_eq!(listing(&out), stripped);
    let out = unpacked_with(&store, &zip(&[("a/b/c", b"1")]), strip(2))?;
    assert_eq!(listing(&out), ["c \"1\""]);

    let error = unpacked_with(&store, &hello(), strip(2)).unwrap_err();
    assert_says(
        &error,
        &["configure\" has only 2 names in its path, and `strip` removes 2"],
    );
    let error = unpacked_with(&store, &gz(b"text"), strip(1)).unwrap_err();
    assert_says(&error, &["is a single compressed file"]);
    // Stripping names may make a link lead out of the folder.
    let out = tar(&[a_file("a/x", b""), a_link("b/y", "../a/x")]);
    assert!(unpacked(&store, &out).is_ok());
    let error = unpacked_with(&store, &out, strip(1)).unwrap_err();
    assert_says(&error, &["\"y\" is a link that leads out"]);
    Ok(())
}

#[test]
fn long_names_of_all_kinds_are_read() -> Result<()> {
    let (_folder, store) = scratch();
    let long = "name/".repeat(50) + &"x".repeat(200);
    // GNU long names.
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"1"[..])?;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", &long)?;
    let out = unpacked(&store, &builder.into_inner()?)?;
    assert_eq!(fs::read_to_string(out.join("link"))?, "1");
    // Pax headers.
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")])?;
    let mut header = tar::Header::new_ustar();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, "short", &b"2"[..])?;
    let mut archive = builder.into_inner()?;
    let out = unpacked(&store, &archive)?;
    assert_eq!(fs::read_to_string(out.join(&long))?, "2");
    // A ustar prefix.
    let mut block = a_file("end", b"3");
    block[345..354].copy_from_slice(b"beginning");
    summed(&mut block);
    archive = tar(&[block]);
    let out = unpacked(&store, &archive)?;
    assert_eq!(listing(&out), ["beginning/", "beginning/end \"3\""]);
    // The beginning of an archive by `git archive`.
    let comment = entry(
        b'g',
        b"pax_global_header",
        b"",
        b"0000666",
        b"18 comment=abcdef\n",
    );
    let out = unpacked(&store, &tar(&[comment, a_file("a", b"4")]))?;
    assert_eq!(listing(&out), ["a \"4\""]);
    Ok(())
}

#[test]
fn the_size_of_pax_is_the_one_that_counts() -> Result<()> {
    let (_folder, store) = scratch();
    let size = entry(b'x', b"pax", b"", b"0000644", b"10 size=3\n");
    let mut data = a_file("a", b"abc");
    data[124..135].copy_from_slice(b"00000000000");
    summed(&mut data);
    let out = unpacked(&store, &tar(&[size, data, a_file("b", b"next")]))?;
    assert_eq!(listing(&out), ["a \"abc\"", "b \"next\""]);
    Ok(())
}

#[test]
fn paths_that_lead_out_are_refused() {
    let (folder, store) = scratch();
    let entries = |name: &str| tar(&[a_file(name, b"evil")]);
    refused(
        &store,
        &entries("/tmp/evil"),
        &["\"/tmp/evil\" has an absolute path"],
    );
    refused(
        &store,
        &entries("../evil"),
        &["\"../evil\" has `..` in its path"],
    );
    refused(&store, &entries("a/../../evil"), &["has `..` in its path"]);
    refused(&store, &gz(&entries("../evil")), &["has `..` in its path"]);
    let up = patched(&zip(&[("xx/evil", b"")]), b"xx/evil", b"../evil");
    refused(&store, &up, &["\"../evil\" has `..` in its path"]);
    let absolute = patched(&zip(&[("xtmp/evil", b"")]), b"xtmp/evil", b"/tmp/evil");
    refused(&store, &absolute, &["\"/tmp/evil\" has an absolute path"]);
    let windows = patched(&zip(&[("a.evil", b"")]), b"a.evil", b"a\\evil");
    refused(&store, &windows, &["has a backslash"]);
    assert!(!folder.path().join("evil").exists() && !Path::new("/tmp/evil").exists());
    refused(
        &store,
        &tar(&[entry(b'0', b"\xff", b"", b"0000644", b"")]),
        &["is not UTF-8"],
    );
    let deep = "d/".repeat(128) + "f";
    let long = entry(b'L', b"long", b"", b"0000644", deep.as_bytes());
    refused(
        &store,
        &tar(&[long, a_file("f", b"")]),
        &["is nested 130 deep"],
    );
}

#[test]
fn links_that_lead_out_are_refused() {
    let (_folder, store) = scratch();
    let link = |target: &str| tar(&[a_link("dir/link", target)]);
    for target in ["nowhere", "a/../../../x", "link"] {
        refused(
            &store,
            &link(target),
            &["\"dir/link\" is a link to a path that is not in the archive"],
        );
    }
    for target in ["/etc/passwd", "../../x", "/"] {
        refused(
            &store,
            &link(target),
            &["\"dir/link\" is a link that leads out"],
        );
    }
    // Through a link.
    let through = tar(&[
        a_folder("a/b/"),
        a_link("l", "a/b"),
        a_link("a/m", "../l/../../x"),
        a_file("x", b""),
    ]);
    assert!(unpacked(&store, &through).is_ok());
    let through = tar(&[
        a_folder("a/b/"),
        a_link("l", "a/b"),
        a_link("a/m", "../l/../../../x"),
    ]);
    refused(&store, &through, &["\"a/m\" is a link that leads out"]);
    refused(
        &store,
        &tar(&[a_link("empty", "")]),
        &["is a link whose target"],
    );
    refused(
        &store,
        &tar(&[a_hard_link("a", "/etc/passwd")]),
        &["\"/etc/passwd\" has an absolute path"],
    );
    refused(
        &store,
        &tar(&[a_hard_link("a", "b")]),
        &["a hard link to \"b\", which is not an earlier file"],
    );

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .add_symlink("link", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let archive = writer.finish().unwrap().into_inner();
    refused(&store, &archive, &["\"link\" is a link that leads out"]);
}

#[test]
fn nothing_is_written_through_a_link() {
    let (folder, store) = scratch();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let through = tar(&[
        a_link("l", &outside.display().to_string()),
        a_file("l/evil", b"evil"),
    ]);
    refused(
        &store,
        &through,
        &["\"l/evil\" is inside \"l\", which is not a folder"],
    );
    let twice = tar(&[a_link("l", "x"), a_file("l", b"evil")]);
    refused(&store, &twice, &["\"l\" is in the archive twice"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn what_comes_twice_is_refused() {
    let (_folder, store) = scratch();
    let twice = tar(&[a_file("a", b"1"), a_file("./a", b"2")]);
    refused(&store, &twice, &["\"./a\" is in the archive twice"]);
    let both = tar(&[a_file("a/b", b"1"), a_file("a", b"2")]);
    refused(&store, &both, &["\"a\" is also a folder"]);
    let both = tar(&[a_file("a", b"1"), a_folder("a/")]);
    refused(&store, &both, &["\"a/\" is also a file or a link"]);
    let within = tar(&[a_file("a", b"1"), a_file("a/b", b"2")]);
    refused(
        &store,
        &within,
        &["\"a/b\" is inside \"a\", which is not a folder"],
    );
    let folders = tar(&[a_folder("a/"), a_folder("a/")]);
    assert!(unpacked(&store, &folders).is_ok(), "a folder may");

    let twice = patched(
        &zip(&[("same1", b"1"), ("same2", b"2")]),
        b"same2",
        b"same1",
    );
    refused(&store, &twice, &["two entries with the same name"]);
    let headers = zip(&[("name-one", b"1")]);
    let at = headers
        .windows(8)
        .position(|name| name == b"name-one")
        .unwrap();
    let mut other = headers.clone();
    other[at..at + 8].copy_from_slice(b"name-two");
    refused(&store, &other, &["it is damaged"]);
}

#[test]
fn what_no_output_may_hold_is_refused() {
    let (_folder, store) = scratch();
    for (kind, why) in [
        (b'3', "is a device"),
        (b'4', "is a device"),
        (b'6', "is a named pipe"),
        (b'S', "is a sparse file"),
        (b'?', "has an unknown type ('?')"),
    ] {
        let archive = tar(&[entry(kind, b"odd", b"", b"0000644", b"")]);
        refused(&store, &archive, &["\"odd\"", why]);
    }
    let sparse = entry(b'x', b"pax", b"", b"0000644", b"22 GNU.sparse.major=1\n");
    refused(
        &store,
        &tar(&[sparse, a_file("a", b"")]),
        &["\"a\" is a sparse file"],
    );
}

#[test]
fn bombs_are_limited() -> Result<()> {
    let (_folder, store) = scratch();
    let zeros = vec![0; 8 << 20];
    let limit = |limit| move |config| Unpacked { limit, ..config };
    let bomb = tar(&[a_file("zeros", &zeros)]);
    for archive in [
        gz(&zeros),
        xz(&zeros),
        zst(&zeros),
        gz(&bomb),
        zip(&[("zeros", &zeros)]),
    ] {
        assert!(archive.len() < 100_000);
        let error = unpacked_with(&store, &archive, limit(1 << 20)).unwrap_err();
        assert_says(&error, &["contains more than 1MiB", "`Unpacked::limit`"]);
        unpacked_with(&store, &archive, limit(8 << 20))?;
    }
    // Each name of one file counts.
    let names: Vec<_> = (0..9).map(|n| a_hard_link(&n.to_string(), "a")).collect();
    let links = tar(&[vec![a_file("a", &zeros[..1 << 20])], names].concat());
    let error = unpacked_with(&store, &links, limit(5 << 20)).unwrap_err();
    assert_says(&error, &["contains more than 5MiB"]);
    // A size in the header that the data does not have.
    let mut huge = a_file("huge", b"");
    huge[124..135].copy_from_slice(b"77777777777");
    summed(&mut huge);
    let error = unpacked_with(&store, &tar(&[huge.clone()]), limit(1 << 20)).unwrap_err();
    assert_says(&error, &["contains more than 1MiB"]);
    refused(&store, &tar(&[huge]), &["it ends too early"]);
    let mut huge = a_file("huge", b"");
    huge[124..136].fill(0xff);
    summed(&mut huge);
    refused(&store, &tar(&[huge]), &["a header is not valid"]);
    // A long name is held in memory.
    let name = entry(b'L', b"long", b"", b"0000644", &zeros[..2 << 20]);
    refused(
        &store,
        &gz(&tar(&[name, a_file("a", b"")])),
        &["a name or a header of 2097152 bytes"],
    );

    let many: Vec<_> = (0..11).map(|n| a_file(&n.to_string(), b"")).collect();
    let few = |config| Unpacked {
        entries: 10,
        ..config
    };
    let error = unpacked_with(&store, &tar(&many), few).unwrap_err();
    assert_says(&error, &["has more than 10 entries", "`Unpacked::entries`"]);
    let names: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = unpacked_with(&store, &zip(&many), few).unwrap_err();
    assert_says(&error, &["has more than 10 entries"]);
    Ok(())
}

#[test]
fn what_is_cut_short_is_refused_wherever() {
    let (_folder, store) = scratch();
    let text: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    for pack in [gz, xz, zst] {
        for inside in [text.clone(), tar(&[a_file("a", &text)])] {
            let whole = pack(&inside);
            for cut in [1, 4, 9, whole.len() / 3, whole.len() / 2, whole.len() - 10] {
                refused(
                    &store,
                    &whole[..whole.len() - cut],
                    &["it ends too early", "truncated"],
                );
            }
        }
    }
    let whole = tar(&[a_file("a", b"1"), a_file("b", &text)]);
    for cut in [1024, 1025, 2000, 512 + 1024 + 80_384, whole.len() - 512] {
        refused(&store, &whole[..whole.len() - cut], &["it ends too early"]);
    }
    let whole = zip(&[("a", &text)]);
    for cut in [1, 22, 30, whole.len() / 2] {
        refused(&store, &whole[..whole.len() - cut], &["cannot unpack"]);
    }
}

#[test]
fn damage_is_seen() {
    let (_folder, store) = scratch();
    let text: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    for pack in [gz, xz, zst, |text: &[u8]| zip(&[("a", text)])] {
        let whole = pack(&text);
        for at in [whole.len() / 2, whole.len() / 3] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            refused(&store, &damaged, &["cannot unpack"]);
        }
    }
    let mut header = tar(&[a_file("a", b"1"), a_file("b", b"2")]);
    header[1024] ^= 1;
    refused(&store, &header, &["a header is not valid"]);
    let lost = tar(&[entry(b'L', b"long", b"", b"0000644", b"name")]);
    refused(&store, &lost, &["a header is not valid"]);
    let mut trailing = hello();
    trailing.extend(b"more");
    refused(&store, &trailing, &["there is data after its end"]);
}

#[test]
fn other_types_are_named() -> Result<()> {
    let (_folder, store) = scratch();
    refused(&store, b"", &["it is empty"]);
    refused(
        &store,
        b"BZh91AY&SY",
        &["has the type bzip2, which is not supported"],
    );
    refused(
        &store,
        b"<!DOCTYPE html><title>moved</title>",
        &[
            "it begins with \"<!DOCTYPE html><\"",
            "a page of HTML often",
        ],
    );
    refused(&store, &[0xfe; 600], &["it begins with \"\\xfe"]);
    let folder = node_files("folder", [("a", "")])?;
    let error = store.realize(&unpack(folder)?).unwrap_err();
    assert_says(&error, &["it is a folder, not an archive"]);
    Ok(())
}

#[test]
fn encrypted_zip_files_are_refused() {
    let (_folder, store) = scratch();
    let mut archive = zip(&[("secret", b"1")]);
    let central = archive
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    archive[6] |= 1;
    archive[central + 8] |= 1;
    refused(&store, &archive, &["\"secret\" is encrypted"]);
}

#[test]
fn mutants_are_refused_or_unpacked_and_nothing_else() {
    let (folder, store) = tests::runs::in_memory();
    let text = "text ".repeat(300);
    let inside = [hello(), tar(&[a_file("text", text.as_bytes())])].concat();
    let zipped = zip(&[("one", text.as_bytes()), ("two/three", b"3")]);
    let archives = [
        hello(),
        inside,
        gz(&hello()),
        xz(&hello()),
        zst(&hello()),
        zipped,
    ];
    let mut random = 1_u64;
    let mut next = move |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(random >> 33).unwrap() % below
    };
    let limits = |config| Unpacked {
        limit: 1 << 20,
        entries: 100,
        ..config
    };
    for archive in &archives {
        for _ in 0..60 {
            let mut mutant = archive.clone();
            for _ in 0..=next(3) {
                let at = next(mutant.len());
                match next(4) {
                    0 => mutant[at] = 0xff,
                    1 => mutant[at] ^= 1 << next(8),
                    2 => mutant.truncate(at.max(1)),
                    _ => {
                        let piece = mutant[at..mutant.len().min(at + 40)].to_vec();
                        mutant.splice(at..at, piece);
                    }
                }
            }
            // Fix the checksums of headers, whatever else is wrong with them.
            for block in mutant.chunks_exact_mut(512) {
                if block.starts_with(b"hello-1.0") {
                    summed(block);
                }
            }
            if let Err(error) = unpacked_with(&store, &mutant, limits) {
                assert_says(&error, &["cannot unpack"]);
            }
        }
    }
    // Nothing outside of the store was created.
    assert_eq!(tests::runs::names(folder.path()), ["store"]);
}

#[test]
fn gz_files_are_filled_up_with_zeros() {
    let (_folder, store) = scratch();
    let filled = |zeros: usize| [gz(b"one\n"), gz(b"two\n"), vec![0; zeros]].concat();
    for zeros in [1, 511, 300_000] {
        let path = unpacked(&store, &filled(zeros)).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"one\ntwo\n", "{zeros}");
    }
    let more = [filled(10), gz(b"three\n")].concat();
    refused(&store, &more, &["there is data after its end"]);
    let more = [filled(10), b"x".to_vec()].concat();
    refused(&store, &more, &["there is data after its end"]);
}

#[test]
fn what_a_zip_file_says_that_it_has_counts_before_it_is_written() {
    let (_folder, store) = scratch();
    let archive = zip(&[("a", &[b'a'; 600]), ("b", &[b'b'; 600])]);
    let limited = |config: Unpacked| Unpacked {
        limit: 1000,
        ..config
    };
    let error = unpacked_with(&store, &archive, limited).unwrap_err();
    assert_says(
        &error,
        &["it contains more than 1000B", "`Unpacked::limit`"],
    );
    let kept = fs::read_dir(store.root().join("failed")).unwrap();
    let out = kept
        .map(|entry| entry.unwrap().path().join("out"))
        .next()
        .unwrap();
    assert_eq!(fs::read_dir(out).unwrap().count(), 0, "nothing was written");
}

#[test]
fn no_archive_fills_the_disk() {
    if !can_mount("no_archive_fills_the_disk") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::new(folder.path(), "size=24m");
    let store = Store::open(mount.at.join("store")).unwrap();
    let zeros = vec![0; 40 << 20];
    for archive in [
        gz(&zeros),
        gz(&tar(&[a_file("zeros", &zeros)])),
        zip(&[("zeros", &zeros)]),
    ] {
        refused(
            &store,
            &archive,
            &["that are free on the disk", "free some space"],
        );
    }
}
