//! Untrusted text that commands display, and files outside of the store that commands write.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use portable_pty::CommandBuilder;
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::Outcome;
use tests::line::Line;
use tests::store::built;
use tests::terminal::Terminal;

/// Sets the title, clears the screen, hides text, with C0 and C1 controls, and changes the direction of writing.
const EVIL: &str = "\x1b]0;owned\x07\x1b[2J\x1b[8m\u{9b}31m\x7f\u{202e}\rx";

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_store-cli"))
}

/// Publishes a realization of `evil` in which every text is hostile.
fn publish(line: &Line, number: u32) -> RRefId {
    let value = serde_json::to_string(&format!("{EVIL}{number}")).unwrap();
    let field = serde_json::to_string(&format!("f{EVIL}")).unwrap();
    let config = format!("{{\"name\": \"evil\", {field}: {value}}}");
    let config = ConfigJson::from_json(&config).unwrap();
    let mut draft = line.store.plumbing().draft().unwrap();
    let name = format!("a{EVIL}\nfake");
    fs::create_dir(draft.out().join(&name)).unwrap();
    fs::write(draft.out().join(&name).join(&name), EVIL).unwrap();
    fs::write(draft.out().join("text"), format!("{EVIL}{number}\n")).unwrap();
    let numbers = format!("{{{field}: {number}}}");
    fs::write(draft.out().join(format!("{EVIL}.json")), numbers).unwrap();
    symlink(&name, draft.out().join("link")).unwrap();
    let log = format!("\x1b[31mred\x1b[0m\n{EVIL}\nlast\n");
    fs::write(draft.log(), log).unwrap();
    let mut build = built();
    build.user = format!("user{EVIL}\nfake");
    build.host = format!("host{EVIL}\nfake");
    build.command = vec![format!("command{EVIL}\nfake")];
    let context = Default::default();
    let published = draft.publish(&config, &context, Outcome::Ok, &build);
    published.unwrap().id
}

/// Returns the characters that control a terminal.
fn harmful(text: &str) -> String {
    let harmful = |c: &char| {
        c.is_control() && *c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(harmful).collect()
}

#[test]
fn nothing_from_outside_controls_the_terminal() {
    let line = line();
    publish(&line, 1);
    let rref = publish(&line, 2);
    let folder = line.store.realization_dir(&rref);
    for arguments in [
        "list",
        "show evil --all --dependents",
        "tree evil",
        "find --field text=1",
        "log evil --list",
        "log nothing",
        "diff evil evil@2 --contents",
        "compare evil",
        "compare evil --columns nothing",
        "why evil",
        "graph",
        "graph --format dot",
        "graph --format svg",
        "graph --format mermaid",
        "stats",
        "du",
        "cat evil",
        "cat evil nothing",
        "roots",
        "gc --dry-run",
        "check --contents",
    ] {
        for more in ["", " --json", " --color always"] {
            let said = line.say(&format!("{arguments}{more}"));
            // The styles of this program itself.
            let own = ["0", "1", "2", "4", "31", "32", "33"];
            let own = |text: String| {
                own.iter().fold(text, |text, number| {
                    text.replace(&format!("\x1b[{number}m"), "")
                })
            };
            let (out, err) = match more {
                " --color always" => (own(said.out), own(said.err)),
                _ => (said.out, said.err),
            };
            assert_eq!(harmful(&out), "", "{arguments}{more}: {out:?}");
            assert_eq!(harmful(&err), "", "{arguments}{more}: {err:?}");
            if more.is_empty() {
                assert!(!out.contains("\nfake"), "{arguments}: {out}");
            }
        }
    }
    let shown = line.out("show evil");
    assert!(shown.contains(r"user\u{1b}]0;owned\u{7}"), "{shown}");
    let json = line.json("show evil");
    assert_eq!(json["builds"][0]["host"], format!("host{EVIL}\nfake"));

    // A damaged file is named by its path.
    let name = format!("a{EVIL}\nfake");
    let out = line.store.out_dir(&rref);
    assert!(folder.is_dir());
    fs::write(out.join("more"), "").unwrap_or_default();
    let _ = std::process::Command::new("chmod")
        .arg("-R")
        .arg("u+w")
        .arg(&folder)
        .status();
    fs::remove_file(out.join(&name).join(&name)).unwrap();
    for more in ["", " --json"] {
        let said = line.say(&format!("check --contents{more}"));
        assert_eq!(said.code, 1);
        assert_eq!(harmful(&(said.out + &said.err)), "");
    }
}

#[test]
fn bytes_stay_as_they_are_where_no_terminal_is() {
    let line = line();
    let rref = publish(&line, 1);
    let raw = |arguments: &[&str]| {
        let output = line.command("").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(
        raw(&["cat", "evil", "text"]),
        format!("{EVIL}1\n").as_bytes()
    );
    let log = raw(&["log", "evil"]);
    assert!(log.starts_with(format!("\x1b[31mred\x1b[0m\n{EVIL}\n").as_bytes()));
    let name = format!("a{EVIL}\nfake");
    let path = line.store.out_dir(&rref).join(&name);
    let shown = raw(&["path", "evil", &name]);
    assert_eq!(
        shown.strip_suffix(b"\n").unwrap(),
        path.as_os_str().as_bytes()
    );
    let csv = String::from_utf8(raw(&["compare", "evil", "--csv"])).unwrap();
    assert!(!csv.is_empty());
}

#[test]
fn on_a_terminal_a_log_keeps_its_colours_and_no_more() {
    let line = line();
    publish(&line, 1);
    for arguments in [["log", "evil"], ["cat", "evil"], ["path", "evil"]] {
        let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_store-cli"));
        program.args(arguments);
        if arguments[0] != "log" {
            program.arg(match arguments[0] {
                "cat" => "text".to_owned(),
                _ => format!("a{EVIL}\nfake"),
            });
        }
        program.env("PYLIGHTNIX_ROOT", line.store.root());
        program.env("TERM", "xterm-256color");
        program.env_remove("NO_COLOR");
        let mut terminal = Terminal::start(program, 80, 20);
        terminal.end();
        let sent = String::from_utf8(terminal.raw(0)).unwrap();
        let colours = ["\x1b[31m", "\x1b[0m", "\x1b[8m"];
        let rest = colours
            .iter()
            .fold(sent.replace("\r\n", "\n"), |text, one| {
                text.replace(one, "")
            });
        assert_eq!(harmful(&rest), "", "{arguments:?}: {sent:?}");
        if arguments[0] == "log" {
            assert!(sent.starts_with("\x1b[31mred\x1b[0m"), "{sent:?}");
        }
    }
}

#[derive(Config)]
struct Says {}

#[stage]
fn says(_b: &Build<Says>) -> Result<()> {
    Err(format!("it said {EVIL}").into())
}

#[test]
fn errors_of_stages_are_made_visible() {
    let line = line();
    let error = line.store.realize(&instantiate(Says::new()).unwrap());
    let error = error.unwrap_err();
    let report = format!("{error:?}");
    assert!(report.contains(r"it said \u{1b}]0;owned"), "{report}");
    assert_eq!(harmful(&report), "");
    let report =
        pylightnix_cli::progress::failure_report(&error, |kept| kept.display().to_string());
    assert_eq!(harmful(&report), "");
    let place = line.folder.path().join(format!("no{EVIL}"));
    let error = Store::open_existing(place).unwrap_err();
    assert_eq!(harmful(&format!("{error:?}")), "");
}

#[test]
fn reports_of_the_library_are_made_visible() {
    let line = line();
    let (one, other) = (publish(&line, 1), publish(&line, 2));
    let store = &line.store;
    let diff = store.diff(&one, &other).unwrap().to_string();
    assert!(diff.contains(r"\u{1b}]0;owned"), "{diff}");
    let gone = store.out_dir(&one).join("text");
    let loosened = std::process::Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(store.realization_dir(&one))
        .status();
    assert!(loosened.unwrap().success());
    fs::remove_file(gone).unwrap();
    fs::write(store.out_dir(&one).join(format!("more{EVIL}")), "").unwrap();
    let check = store.check().contents().run().unwrap().to_string();
    let why = store.why(&other).unwrap().to_string();
    let gc = store.gc().plan().unwrap().to_string();
    for report in [diff, check, why, gc] {
        assert_eq!(harmful(&report), "", "{report:?}");
    }
}

/// Long texts are cut in tables on a terminal, and do not pad the other rows elsewhere.
#[test]
fn long_texts_are_cut_on_a_terminal_and_fill_up_no_rows_elsewhere() {
    let line = line();
    let long = "long ".repeat(40_000);
    let mut rrefs = Vec::new();
    for number in 0..40 {
        let text = if number == 7 { &long[..] } else { "short" };
        let config = format!("{{\"name\": \"wide\", \"number\": {number}, \"text\": \"{text}\"}}");
        let config = ConfigJson::from_json(&config).unwrap();
        let mut draft = line.store.plumbing().draft().unwrap();
        writeln!(fs::File::create(draft.out().join("x")).unwrap(), "{number}").unwrap();
        let context = Default::default();
        let published = draft.publish(&config, &context, Outcome::Ok, &built());
        rrefs.push(published.unwrap().id.to_string());
    }
    let piped = line
        .command("compare wide")
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert_eq!(piped.lines().count(), 41);
    assert!(
        piped.contains(&long),
        "data is whole where no person reads it"
    );
    assert!(piped.len() < long.len() + 41 * 250, "{}", piped.len());
    for arguments in [
        vec!["compare", "wide"],
        vec!["show", &rrefs[7]],
        vec!["diff", &rrefs[7], &rrefs[8]],
        vec!["why", &rrefs[7]],
    ] {
        let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_store-cli"));
        program.args(&arguments);
        program.env("PYLIGHTNIX_ROOT", line.store.root());
        program.env_remove("COLUMNS");
        let mut terminal = Terminal::start(program, 80, 60);
        terminal.end();
        let sent = terminal.raw(0).len();
        assert!(sent > 100, "{arguments:?} sent {sent} bytes");
        assert!(sent < 20_000, "{arguments:?} sent {sent} bytes");
    }
}

/// Returns a store with fixed bytes.
fn known() -> Line {
    Line::new(env!("CARGO_BIN_EXE_store-cli"))
}

#[test]
fn archives_go_through_pipes() {
    let line = known();
    let packed = line.command("pack - plot").output().unwrap();
    assert!(packed.status.success(), "{packed:?}");
    let _ = line.out("pack plot.zip plot");
    let archive = fs::read(line.folder.path().join("plot.zip")).unwrap();
    assert_eq!(packed.stdout, archive);
    let by_name = line.command("pack /dev/stdout plot").output().unwrap();
    assert_eq!(by_name.stdout, archive);

    let place = line.folder.path().join("other");
    let mut command = line.command("unpack -");
    command
        .env("PYLIGHTNIX_ROOT", &place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut unpacking = command.spawn().unwrap();
    let mut input = unpacking.stdin.take().unwrap();
    input.write_all(&archive).unwrap();
    drop(input);
    let unpacked = unpacking.wait_with_output().unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    let other = Store::open_existing(&place).unwrap();
    assert!(other.has(line.newest("plot")).unwrap());
}

#[test]
fn an_archive_that_is_refused_makes_no_store() {
    let line = known();
    let _ = line.out("pack plot.zip plot");
    let archive = line.folder.path().join("plot.zip");
    let whole = fs::read(&archive).unwrap();
    let place = line.folder.path().join("other");
    let unpack = |arguments: &str| {
        let mut command = line.command(arguments);
        line.said(command.env("PYLIGHTNIX_ROOT", &place).output().unwrap())
    };
    let file = whole.windows(4).position(|part| part == b"<svg").unwrap();
    for at in [0, whole.len() / 2, file, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&archive, &changed).unwrap();
        let said = unpack("unpack plot.zip");
        assert_eq!(said.code, 1, "{at}: {}", said.err);
        assert!(!place.exists(), "{at}");
    }
    fs::write(&archive, &whole).unwrap();
    for (arguments, why) in [
        ("unpack nothing.zip", "cannot open nothing.zip"),
        ("unpack plot.zip --max-size 10B", "10 B are allowed"),
        ("unpack -", "the archive standard input is refused"),
    ] {
        let said = unpack(arguments);
        assert_eq!(said.code, 1, "{arguments}");
        assert!(said.err.contains(why), "{arguments}: {}", said.err);
        assert!(!place.exists(), "{arguments}");
    }
    assert_eq!(unpack("unpack plot.zip").code, 0);
}

#[test]
fn what_is_there_is_no_drawing_and_stays() {
    let line = known();
    let path = |name: &str| line.folder.path().join(name);
    for (name, there) in [
        ("x.svg", "<?xml version=\"1.0\"?><svg/>"),
        ("x.dot", "a table\n"),
        ("x.txt", "notes of a person\n"),
        ("x.mmd", "# A page\n"),
    ] {
        fs::write(path(name), there).unwrap();
        let said = line.say(&format!("graph -o {name}"));
        assert_eq!(said.code, 1, "{name}: {}", said.out);
        assert!(said.err.contains("nothing was written"), "{}", said.err);
        assert_eq!(fs::read_to_string(path(name)).unwrap(), there);
        // A drawing replaces a drawing, and a link to it is kept.
        fs::write(path(name), "").unwrap();
        let _ = line.out(&format!("graph -o {name}"));
        let drawn = fs::read(path(name)).unwrap();
        assert!(!drawn.is_empty());
        symlink(name, path(&format!("link-{name}"))).unwrap();
        let _ = line.out(&format!("graph plot -o link-{name}"));
        assert!(
            fs::symlink_metadata(path(&format!("link-{name}")))
                .unwrap()
                .is_symlink()
        );
        let format = match name.rsplit_once('.').unwrap().1 {
            "txt" => "terminal",
            "mmd" => "mermaid",
            format => format,
        };
        let printed = line.out(&format!("graph plot -o - --format {format}"));
        assert!(
            printed.as_bytes() == fs::read(path(name)).unwrap(),
            "{name}"
        );
    }
    fs::write(path("x.json"), "{\"mine\": 1}\n").unwrap();
    assert_eq!(line.say("graph -o x.json --json").code, 1);
    let _ = line.out("man --folder pages");
    let _ = line.out("man --folder pages");
    let page = fs::read_dir(path("pages"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&page, "notes\n").unwrap();
    let said = line.say("man --folder pages");
    assert_eq!(said.code, 1, "{}", said.err);
    assert_eq!(fs::read_to_string(&page).unwrap(), "notes\n");
}

#[test]
fn swapped_arguments_get_a_hint() {
    let line = known();
    let said = line.say("pack plot plot.zip");
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("did you mean `pack plot.zip plot`?"),
        "{}",
        said.err
    );
    assert!(!line.folder.path().join("plot").exists());
}
