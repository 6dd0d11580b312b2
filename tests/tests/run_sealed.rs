//! Sealed stages: they read what is reached from their context and what they declare, and nothing else. `SNAPSHOTS=overwrite` rewrites
//! `run_sealed/refused.txt`, which the book shows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::prelude::*;
use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use tests::line::{Line, Said};

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_sealed"))
}

/// Runs a target that is told by variables what to do.
fn run(line: &Line, arguments: &str, told: &[(&str, &str)]) -> Said {
    let mut command = line.command(arguments);
    command.envs(told.iter().copied());
    line.said(command.output().unwrap())
}

/// Returns the number of realizations with this name.
fn named(line: &Line, name: &str) -> usize {
    let all = line.store.rrefs().unwrap();
    all.iter()
        .filter(|rref| rref.name().as_str() == name)
        .count()
}

/// Has a sealed stage try something, which must fail, and returns what is said of it.
fn refused(line: &Line, how: &str, at: &str) -> String {
    let said = run(line, "run tries -q", &[("HOW", how), ("AT", at)]);
    assert_eq!(said.code, 1, "{how} {at}: {said:?}");
    let failed = said.err.contains("stage `tries") && said.err.contains("failed in run 0");
    assert!(failed, "{how} {at}\n{}", said.err);
    assert_eq!(named(line, "tries"), 0);
    said.err
}

/// Asserts that a refusal names a path and the way to declare it.
fn names(said: &str, what: &str, path: &str) {
    let may_not = format!("it is sealed and may not {what} {path}");
    assert!(said.contains(&may_not), "{may_not}\n{said}");
    if what == "read" {
        let advice = format!("`#[stage(sealed, read(\"{path}\"))]`");
        assert!(said.contains(&advice), "{advice}\n{said}");
    }
}

#[test]
fn a_sealed_stage_does_what_it_may() {
    let line = line();
    for on in ["threads", "processes"] {
        let said = line.say(&format!("run fine --on {on} --force fine -q"));
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(line.out("cat fine text.txt"), "a secret, true");
        let show = line.json("show fine");
        assert_eq!(show["builds"][0]["sealed"], true);
        assert_eq!(show["series"][0]["name"], "loss");
        assert!(line.out("log fine").starts_with("printed\n"));
    }
    assert!(line.out("show fine").contains("built sealed in"));
    // What a stage is not sealed for is as before.
    assert_eq!(line.json("show leaf")["builds"][0]["sealed"], false);
    assert_eq!(line.say("check").code, 0);
    assert_eq!(line.say("run users -q").code, 0);
    // Nothing is left of the folders that its processes wrote to.
    let folder = line.newest("fine");
    let entries = fs::read_dir(line.store.realization_dir(&folder)).unwrap();
    let entries: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!entries.iter().any(|name| name == "scratch"), "{entries:?}");
}

#[test]
fn files_are_refused_by_name() {
    let line = line();
    let home = line.folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("secret"), "mine").unwrap();
    let (home, secret) = (
        home.display().to_string(),
        home.join("secret").display().to_string(),
    );
    let shown = |path: &str| path.replace(&*line.folder.path().to_string_lossy(), "[FOLDER]");
    for how in ["read", "pool", "link", "relative", "child"] {
        names(&refused(&line, how, "/etc/passwd"), "read", "/etc/passwd");
        names(&refused(&line, how, &secret), "read", &shown(&secret));
    }
    names(&refused(&line, "list", &home), "read", &shown(&home));
    let new = format!("{home}/new");
    names(&refused(&line, "write", &new), "write", &shown(&new));
    names(&refused(&line, "write", &secret), "write", &shown(&secret));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "mine");
    assert!(!Path::new(&new).exists());
    refused(&line, "hard", &secret);
    // An error that a stage swallows is no way around it.
    let swallowed = [("HOW", "swallow"), ("AT", "/etc/passwd")];
    assert_eq!(run(&line, "run tries -q", &swallowed).code, 0);
    assert_eq!(
        line.out("cat tries got.txt"),
        "Permission denied (os error 13)"
    );
}

#[test]
fn the_book_shows_a_refusal() {
    let line = line();
    let said = refused(&line, "read", "/etc/passwd");
    // The rest says where its folder is.
    let lines = said.lines().filter(|line| !line.is_empty());
    let shown: Vec<_> = lines
        .take_while(|line| !line.contains("its folder"))
        .collect();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(
        shown.join("\n") + "\n",
        snapbox::file!["run_sealed/refused.txt"].raw(),
    );
}

#[test]
fn results_of_other_stages_are_refused() {
    let line = line();
    assert_eq!(line.say("run leaf -q").code, 0);
    let leaf = line.newest("leaf");
    let secret = line.store.out_dir(&leaf).join("secret.txt");
    let secret = secret.display().to_string();
    let shown = secret.replace(&*line.store.root().to_string_lossy(), "[STORE]");
    for how in ["read", "link", "child"] {
        names(&refused(&line, how, &secret), "read", &shown);
    }
    let objects = line.store.root().join("store-v1");
    refused(&line, "list", &objects.to_string_lossy());
    let tmp = line.store.root().join("tmp");
    refused(&line, "list", &tmp.to_string_lossy());
    // A dependency may be read, and not be written.
    let told = [("HOW", "write"), ("AT", &*secret), ("FROM_LEAF", "1")];
    let said = run(&line, "run tries -q", &told);
    assert_eq!(said.code, 1);
    names(&said.err, "write", &shown);
    let told = [("HOW", "read"), ("AT", &*secret), ("FROM_LEAF", "1")];
    assert_eq!(run(&line, "run tries -q", &told).code, 0);
    assert_eq!(line.out("cat tries got.txt"), "a secret");
}

#[test]
fn all_of_a_large_context_may_be_read() {
    let line = line();
    let said = run(&line, "run many -q", &[("COUNT", "300")]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn other_processes_are_refused() {
    let line = line();
    for what in ["mem", "environ", "maps"] {
        let said = refused(&line, "parent", what);
        assert!(
            said.contains("it is sealed and may not read /proc/")
                && said.contains(&format!("/{what}\n")),
            "{said}"
        );
    }
    refused(&line, "child of parent", "environ");
    refused(&line, "device", "");
    refused(&line, "parent", "root/etc/passwd");
    refused(&line, "parent", "cwd");
    refused(&line, "parent", "fd/0");
}

#[test]
fn the_network_is_refused() {
    let line = line();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = line.folder.path().join("socket");
    let unix = UnixListener::bind(&at).unwrap();
    let messages = line.folder.path().join("datagrams");
    let datagrams = UnixDatagram::bind(&messages).unwrap();
    for (how, at) in [
        ("tcp", tcp.local_addr().unwrap().to_string()),
        ("udp", udp.local_addr().unwrap().to_string()),
        ("unix", at.display().to_string()),
        ("datagram", messages.display().to_string()),
        ("ring", String::new()),
    ] {
        let said = refused(&line, how, &at);
        assert!(
            said.contains("it is sealed and has no network")
                && said.contains("Network is down")
                && said.contains("`#[stage(sealed, network)]`"),
            "{said}"
        );
    }
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    unix.set_nonblocking(true).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    assert!(tcp.accept().is_err() && unix.accept().is_err());
    assert!(udp.recv(&mut [0]).is_err() && datagrams.recv(&mut [0]).is_err());
}

#[test]
fn a_stage_may_declare_a_network() {
    let line = line();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = tcp.local_addr().unwrap().to_string();
    let said = run(&line, "run talks -q", &[("AT", &at)]);
    assert_eq!(said.code, 0, "{}", said.err);
    let mut heard = String::new();
    let (mut from, _) = tcp.accept().unwrap();
    from.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
}

#[test]
fn no_descriptor_is_inherited() {
    let line = line();
    let told = [("HOW", "descriptors"), ("LEAVE_OPEN", "1")];
    let said = run(&line, "run tries -q", &[("HOW", "descriptors")]);
    assert_eq!(said.code, 0, "{}", said.err);
    let alone = line.out("cat tries got.txt");
    assert!(!alone.contains("/etc/passwd"), "{alone}");
    let said = run(&line, "run tries --force tries -q", &told);
    assert_eq!(said.code, 0, "{}", said.err);
    let open = line.out("cat tries got.txt");
    let others = |open: &str| {
        let known = ["socket:", "/dev/null", "/log", "/proc/", "[STORE]"];
        open.lines()
            .filter(|to| !known.iter().any(|known| to.contains(known)))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(others(&alone), Vec::<String>::new(), "{alone}");
    assert_eq!(others(&open), Vec::<String>::new(), "{open}");
}

#[test]
fn a_thread_before_main_is_an_error() {
    let line = line();
    let told = [("HOW", "swallow"), ("AT", "/"), ("EARLY_THREAD", "1")];
    let said = run(&line, "run tries -q", &told);
    assert_eq!(said.code, 1);
    assert!(
        said.err
            .contains("the process of a sealed stage has 2 threads already")
            && said.err.contains("first in `main`"),
        "{}",
        said.err
    );
}

#[test]
fn a_plan_that_reads_by_itself_is_told_to_ask() {
    let line = line();
    let file = line.folder.path().join("where.txt");
    fs::write(&file, "/usr").unwrap();
    let at = file.display().to_string();
    let said = run(&line, "run peeking -q", &[("AT", &at)]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("the plan reads [FOLDER]/where.txt")
            && said.err.contains("`run.file(\"[FOLDER]/where.txt\")?`"),
        "{}",
        said.err
    );
    let said = run(&line, "run plain --sealed -q", &[("AT", &at)]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(line.out("cat plain n.txt"), "/usr");
}

#[test]
fn a_run_may_take_only_what_was_made_sealed() {
    let line = line();
    let file = line.folder.path().join("notes.txt");
    fs::write(&file, "notes").unwrap();
    let at = file.display().to_string();
    let told = [("AT", &*at)];
    assert_eq!(run(&line, "run plain -q", &told).code, 0);
    let plan = run(&line, "plan plain --only-sealed --all", &told);
    assert!(
        plan.out.contains("stale: it was not made sealed"),
        "{}",
        plan.out
    );
    // What the library's own stages read is in their configs.
    assert!(plan.out.contains("made sealed\n"), "{}", plan.out);
    let why = run(&line, "plan plain --sealed --all", &told);
    assert!(why.out.contains("not made sealed"), "{}", why.out);
    let made = run(&line, "run plain --only-sealed -q --json", &told);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!(
        (&made["report"]["built"], &made["report"]["reused"]),
        (&1.into(), &1.into())
    );
    // The same result: whether it was sealed is not part of what it is.
    assert_eq!(named(&line, "plain"), 1);
    for arguments in [
        "run plain --only-sealed -q --json",
        "run plain --sealed -q --json",
        "run plain -q --json",
    ] {
        let again = run(&line, arguments, &told);
        let again: serde_json::Value = serde_json::from_str(&again.out).unwrap();
        assert_eq!(again["report"]["built"], 0, "{arguments}");
    }
}

/// A stage.
#[derive(Config)]
struct Quiet {}

#[stage(sealed)]
fn quiet(_: &Build<Quiet>) -> Result<()> {
    Ok(())
}

#[test]
fn a_program_that_does_not_answer_is_told_before_anything_is_built() {
    let (_folder, store) = tests::runs::scratch();
    let quiet = instantiate(Quiet::new()).unwrap();
    let refused = store.realize(&quiet).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("it has not called `pylightnix::worker`"),
        "{refused}"
    );
    assert!(store.rrefs().unwrap().is_empty());
    // A plan is only looked at.
    assert_eq!(store.plan(&quiet).unwrap().steps[0].sealed, Some(true));
}
