//! Copying to and from a store at the other end of `ssh`.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

use pylightnix::config::RRefId;
use pylightnix::store::{Context, Lacking, Offer, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};
use tests::store::{config, config_on, folder, objects, publish_on, publish_texts};

const PROGRAM: &str = env!("CARGO_BIN_EXE_store-cli");

/// Two machines, each with a store. A script stands for `ssh`: it runs the command in a shell, as the server does, and counts the bytes
/// of both directions.
struct Machines {
    folder: tempfile::TempDir,
    here: Store,
}

impl Machines {
    fn new() -> Self {
        let folder = folder();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(PROGRAM, bin.join("pylightnix")).unwrap();
        // As with `ssh`, the connection ends with the command there, also if more could be sent.
        let script = r#"#!/bin/sh
echo "$@" >>"$LOG/calls"
while [ "$1" != -- ]; do shift; done
shift 2
export PATH="$BIN:$PATH"
exec 3>&1 4<&0 1>/dev/null
tee -a "$LOG/sent" <&4 3>&- 4<&- | { sh -c "$1"; echo $? >"$LOG/status"; } 3>&- 4<&- | tee -a "$LOG/received" >&3 3>&- 4<&- &
exec 3>&- 4<&- </dev/null
wait
exit "$(cat "$LOG/status")"
"#;
        let ssh = folder.path().join("ssh");
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        let here = Store::open(folder.path().join("here")).unwrap();
        Machines { folder, here }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `copy` here.
    fn copy(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.arg("--store").arg(self.here.root()).arg("copy");
        command
            .args(arguments)
            .env("PYLIGHTNIX_SSH", self.path("ssh"));
        command.env("PYLIGHTNIX_KEYS", self.path("keys"));
        command
            .env("BIN", self.path("bin"))
            .env("LOG", self.folder.path());
        command.output().unwrap()
    }

    fn copies(&self, arguments: &[&str]) -> String {
        let output = self.copy(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the number of bytes that went over the connection since the last call.
    fn bytes(&self) -> u64 {
        let both = ["sent", "received"].map(|name| {
            let path = self.path(name);
            let length = fs::metadata(&path).map_or(0, |found| found.len());
            let _ = fs::remove_file(path);
            length
        });
        both.iter().sum()
    }

    /// An address with a space and a quote in it.
    fn there(&self) -> (String, PathBuf) {
        let path = self.path("it's there");
        (format!("ssh://ada@host:2222{}", path.display()), path)
    }
}

/// A result and what it was made from, which is large.
fn pair(store: &Store) -> (RRefId, RRefId) {
    // Bytes that cannot be made smaller.
    let mut numbers = tests::crafted::Numbers::new(7);
    let large: String = (0..40_000)
        .map(|_| format!("{:016x}", numbers.draw()))
        .collect();
    let base = publish_texts(
        store,
        &config("base"),
        &Context::empty(),
        &[("large", &large)],
    );
    let top = publish_on(store, &config_on("top", &config("base")), &[&base], "top");
    (base, top)
}

#[test]
fn a_copy_goes_there_and_back() {
    let machines = Machines::new();
    let (base, top) = pair(&machines.here);
    let (address, path) = machines.there();
    let said = machines.copies(&["top", "--to", &address]);
    assert_eq!(said, format!("{base}\n{top}\n"));
    let there = Store::open_existing(&path).unwrap();
    assert_eq!(objects(&there), objects(&machines.here));
    assert!(machines.bytes() > 300_000);
    let calls = fs::read_to_string(machines.path("calls")).unwrap();
    assert!(
        calls.starts_with("-p 2222 -- ada@host pylightnix --store '"),
        "{calls}"
    );
    assert_eq!(calls.lines().count(), 1, "one connection");

    // A second time, nothing but the question goes over.
    machines.copies(&["--all", "--to", &address]);
    assert!(machines.bytes() < 1_000);

    // What is new goes without what it was made from.
    let config = config_on("more", &config("base"));
    let more = publish_on(&machines.here, &config, &[&base], "more");
    machines.copies(&["more", "--to", &address]);
    assert!(there.has(&more).unwrap());
    assert!(machines.bytes() < 10_000);

    // New build records go without the artifacts.
    assert_eq!(pair(&machines.here).1, top);
    machines.copies(&["top", "--to", &address]);
    assert_eq!(there.realization(&base).unwrap().builds().len(), 2);
    assert!(machines.bytes() < 10_000);
    assert!(there.check().contents().run().unwrap().is_sound());

    // And into a store that has nothing; names are looked up there.
    let empty = Machines::new();
    let said = empty.copies(&["top", "--from", &address]);
    assert!(said.contains(&top.to_string()), "{said}");
    assert_eq!(empty.here.rrefs().unwrap().len(), 2);
    empty.copies(&["--all", "--from", &address]);
    assert_eq!(objects(&empty.here), objects(&there));
}

#[test]
fn what_goes_wrong_is_told_and_leaves_nothing() {
    let machines = Machines::new();
    pair(&machines.here);
    let (address, path) = machines.there();
    let says = |arguments: &[&str], what: &str| {
        let output = machines.copy(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(what), "{error}");
    };
    says(&["top", "--from", &address], "there is no store at");
    assert!(!path.exists());
    says(
        &["top", "--to", "ssh://host"],
        "`ssh://host` is no address of a store",
    );
    says(
        &["top", "--to", "ssh://-oProxyCommand=x/s"],
        "is no address of a store",
    );
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "").unwrap();
    says(
        &["top", "--to", &address],
        "the other side failed; what it said stands above",
    );
    let remove = |name: &str| fs::remove_file(machines.path(name)).unwrap();
    remove("bin/pylightnix");
    fs::remove_dir_all(&path).unwrap();
    says(
        &["top", "--to", &address],
        "there is no program `pylightnix` on its `PATH`",
    );
    remove("ssh");
    says(&["top", "--to", &address], "cannot be started");
}

#[test]
fn a_damaged_dependency_is_not_hidden_by_a_thin_archive() {
    let machines = Machines::new();
    let (base, _) = pair(&machines.here);
    let (address, path) = machines.there();
    machines.copies(&["top", "--to", &address]);
    let there = Store::open_existing(&path).unwrap();
    // Bytes of what is there change on the way of new build records.
    let large = there.out_dir(&base).join("large");
    fs::set_permissions(&large, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&large, "damaged").unwrap();
    pair(&machines.here);
    let output = machines.copy(&["top", "--to", &address]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && error.contains("repair"),
        "{error}"
    );
    assert_eq!(there.realization(&base).unwrap().builds().len(), 1);
}

#[test]
fn messages_are_read_back_and_others_are_refused() {
    let machines = Machines::new();
    let (_, top) = pair(&machines.here);
    let offer = machines.here.offer([&top]).unwrap();
    let mut bytes = Vec::new();
    offer.write_to(&mut bytes).unwrap();
    assert_eq!(Offer::read_from(&mut &bytes[..]).unwrap(), offer);
    for cut in 0..bytes.len() {
        assert!(Offer::read_from(&mut &bytes[..cut]).is_err());
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        // Never a panic, and never more than the realizations that it may name.
        let _ = Offer::read_from(&mut &flipped[..]);
    }
    let other = Store::open(machines.path("other")).unwrap();
    let lacking = other.lacking(&offer).unwrap();
    let mut bytes = Vec::new();
    lacking.write_to(&mut bytes).unwrap();
    assert_eq!(
        Lacking::read_from(&offer, &mut &bytes[..]).unwrap(),
        lacking
    );
    let none = machines.here.offer::<RRefId>([]).unwrap();
    assert!(Lacking::read_from(&none, &mut &bytes[..]).is_err());
}

#[test]
fn a_real_server_is_copied_to_and_from() {
    let machines = Machines::new();
    if tests::ssh::client(machines.folder.path()).is_none() {
        return;
    }
    let (base, top) = pair(&machines.here);
    let path = machines.path("it's there");
    let address = format!("ssh://there{}", path.display());
    let said = machines.copies(&["top", "--to", &address]);
    assert_eq!(said, format!("{base}\n{top}\n"));
    let there = Store::open_existing(&path).unwrap();
    assert_eq!(objects(&there), objects(&machines.here));
    let back = Machines {
        here: Store::open(machines.path("back")).unwrap(),
        ..machines
    };
    back.copies(&["top", "--from", &address]);
    assert_eq!(objects(&back.here), objects(&there));

    // A server that does not take the key.
    fs::write(back.path("own.pub"), "").unwrap();
    let output = back.copy(&["top", "--from", &address]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("Permission denied") && error.contains("the connection failed"),
        "{error}"
    );
}
