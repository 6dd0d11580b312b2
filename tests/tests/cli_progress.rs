//! The progress of a run: on a terminal, as lines, as JSON; and its remains after the end.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use portable_pty::CommandBuilder;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use tests::store::folder;
use tests::terminal::Terminal;

const WATCHED: &str = env!("CARGO_BIN_EXE_watched");

/// A store, and the files that release stages.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(folder())
    }

    fn go(&self, stage: &str) {
        fs::write(self.0.path().join(stage), "").unwrap();
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// A run in a terminal.
    fn terminal(&self, words: &[&str], columns: u16, lines: u16) -> Terminal {
        let words: Vec<_> = ["run"].iter().chain(words).copied().collect();
        self.command(&words, columns, lines)
    }

    /// Returns the program in a terminal.
    fn command(&self, words: &[&str], columns: u16, lines: u16) -> Terminal {
        let mut program = CommandBuilder::new(WATCHED);
        program.args(words);
        program.env("PYLIGHTNIX_ROOT", self.store());
        program.env("WATCHED", self.0.path());
        program.env("TERM", "xterm-256color");
        program.env_remove("NO_COLOR");
        program.env_remove("COLUMNS");
        program.env_remove("RUST_BACKTRACE");
        program.cwd(self.0.path());
        Terminal::start(program, columns, lines)
    }

    /// Runs the program without a terminal.
    fn run(&self, words: &[&str]) -> Output {
        let mut program = Command::new(WATCHED);
        program
            .arg("run")
            .args(words)
            .env("PYLIGHTNIX_ROOT", self.store())
            .env("WATCHED", self.0.path())
            .env_remove("RUST_BACKTRACE");
        program.output().unwrap()
    }

    /// Returns the logs of published and of failed builds.
    fn logs(&self) -> Vec<String> {
        let mut logs = Vec::new();
        let mut folders = vec![self.store().join("store-v1"), self.store().join("failed")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with("log") {
                    logs.push(fs::read_to_string(path).unwrap());
                }
            }
        }
        logs
    }
}

/// Returns the lines of a screen without the results, whose references and paths vary.
fn without_results(screen: &str) -> Vec<&str> {
    let lines = screen.lines();
    lines
        .filter(|line| !line.starts_with("rref:") && !line.contains("/store-v1/"))
        .collect()
}

/// Returns the summary line of the run and the lines below it.
fn display(screen: &str) -> Vec<&str> {
    let lines: Vec<_> = screen.lines().collect();
    let at: Vec<_> = (0..lines.len())
        .filter(|at| lines[*at].contains(" to build"))
        .collect();
    assert_eq!(at.len(), 1, "one display on:\n{screen}");
    lines[at[0]..].to_vec()
}

#[test]
fn a_stage_is_shown_with_its_progress_and_its_log_and_nothing_stays() {
    let place = Place::new();
    let mut terminal = place.terminal(&["measured"], 90, 20);
    let screen = terminal.wait_for("25%");
    let shown = display(&screen);
    assert_eq!(shown.len(), 2, "{screen}");
    assert!(shown[0].contains("0 built, 1 to build"), "{screen}");
    assert!(shown[1].starts_with("  measured  0:"), "{screen}");
    assert!(shown[1].contains("epoch 1: the loss went down"), "{screen}");
    assert!(
        shown.iter().all(|line| line.chars().count() < 90),
        "{screen}"
    );

    // While nothing else happens, lines are overwritten rather than cleared.
    let so_far = terminal.raw(0).len();
    terminal.wait_for_bytes(2000);
    let drawn = String::from_utf8_lossy(&terminal.raw(so_far)).into_owned();
    for clears in ["\x1b[J", "\x1b[0J", "\x1b[2J", "\x1b[2K", "\x1b[H"] {
        assert!(!drawn.contains(clears), "{clears:?} in {drawn:?}");
    }
    // If the terminal is narrower than it reports, lines are cut; rewrapping does not move trailing spaces to lines of their
    // own.
    let begin = drawn.find("\x1b[?7l").unwrap();
    let rows = &drawn[begin + 5..];
    let rows = &rows[..rows.find("\x1b[?7h").unwrap()];
    let mut rows = rows.split_terminator("\r\r\n");
    assert!(rows.next().unwrap().contains("1 to build"));
    let stage = rows.next().unwrap().replace("\x1b[K", "");
    let stage = stage.trim_end_matches("\x1b[0m");
    assert!(
        stage.ends_with(|c: char| c.is_alphanumeric() || c == ','),
        "{stage:?}"
    );
    assert_eq!(rows.next(), None);
    place.go("measured");
    let (status, screen) = terminal.end();
    assert_eq!(status, 0, "{screen}");
    assert_eq!(
        without_results(&screen),
        ["1 of 1 stage built in 1 run, 0 reused"]
    );

    // If everything is reused, nothing is drawn.
    let mut terminal = place.terminal(&["measured"], 90, 20);
    let (status, screen) = terminal.end();
    assert_eq!(status, 0, "{screen}");
    assert_eq!(
        without_results(&screen),
        ["nothing to build: all 1 stage reused"]
    );
    let raw = String::from_utf8_lossy(&terminal.raw(0)).into_owned();
    assert!(!raw.contains("\x1b[?2026h"), "{raw:?}");
}

#[test]
fn a_series_is_drawn_while_it_is_recorded() {
    let place = Place::new();
    let mut terminal = place.terminal(&["records"], 90, 20);
    let screen = terminal.wait_for("loss █");
    let shown = display(&screen);
    assert!(shown[1].starts_with("  records"), "{screen}");
    terminal.wait_for("0.125");
    place.go("records");
    assert_eq!(terminal.end().0, 0);

    let run = place.run(&["records", "--force", "records", "--progress", "json"]);
    let said = String::from_utf8(run.stderr).unwrap();
    let events: Vec<Value> = said.lines().map(|line| line.parse().unwrap()).collect();
    let mut told = events.iter().filter(|event| event["event"] == "recorded");
    let first = told.next().unwrap();
    assert_eq!(
        (&first["series"], &first["step"]),
        (&"loss".into(), &0.into())
    );
    assert_eq!(
        (&first["value"], &first["name"]),
        (&1.0.into(), &"records".into())
    );
    let lines = place.run(&["records", "--force", "records", "--progress", "lines"]);
    assert_eq!(lines.status.code(), Some(0));
}

#[test]
fn earlier_builds_say_how_long_it_takes() {
    let place = Place::new();
    place.go("talks");
    let words = ["talks", "--force-all"];
    let mut first = place.terminal(&words, 100, 30);
    assert_eq!(first.end().0, 0);
    fs::remove_file(place.0.path().join("talks")).unwrap();
    let mut second = place.terminal(&words, 100, 30);
    second.wait_for(", about 0:00 left");
    place.go("talks");
    assert_eq!(second.end().0, 0);
}

#[test]
fn what_stages_print_goes_above_the_display() {
    let place = Place::new();
    let mut terminal = place.terminal(&["measured", "talks", "--jobs", "2"], 70, 30);
    terminal.wait_for("after an empty one");
    let screen = terminal.wait_until("both stages", |screen| {
        screen.contains("it talks") && screen.contains("25%")
    });
    // A long line is wrapped by the terminal as usual, so it stays one line.
    let long = format!("after an empty one, {}", "long ".repeat(30));
    let printed = [
        "by println",
        "by eprintln",
        "by a child",
        "err of a child",
        "20%",
        "a line in two",
        "",
        &long,
    ];
    let printed: Vec<_> = printed.iter().map(|line| line.trim_end()).collect();
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(&lines[..printed.len()], &printed, "{screen}");
    let shown = display(&screen);
    assert_eq!(lines.len(), printed.len() + shown.len(), "{screen}");
    assert_eq!(shown.len(), 3, "{screen}");
    assert!(!screen.contains('\u{1b}'));

    place.go("talks");
    terminal.wait_until("the end of one", |screen| {
        screen.contains("1 built, 1 to build")
    });
    place.go("measured");
    let (status, screen) = terminal.end();
    assert_eq!(status, 0, "{screen}");
    let mut expected = printed;
    expected.push("2 of 2 stages built in 2 runs, 0 reused");
    assert_eq!(without_results(&screen), expected);
    assert!(
        place
            .logs()
            .iter()
            .any(|log| log.ends_with("INFO watched: it talks\n"))
    );
}

#[test]
fn a_panic_is_above_the_display_and_in_the_log_and_the_end_says_where() {
    let place = Place::new();
    let mut terminal = place.terminal(
        &["measured", "panics", "--jobs", "2", "--keep-going"],
        200,
        40,
    );
    let screen = terminal.wait_until("the panic", |screen| {
        screen.contains("1 failed") && screen.contains("25%")
    });
    let at = |text: &str| {
        screen
            .lines()
            .position(|line| line.contains(text))
            .unwrap_or(usize::MAX)
    };
    assert!(
        at("thread 'other'") < at("in a thread of the stage"),
        "{screen}"
    );
    assert!(at("on purpose") < at(" to build"), "{screen}");
    assert!(at("in a thread of the stage") < at(" to build"), "{screen}");
    assert!(
        at("failed  panics: stage `panics` failed in run 0") < at(" to build"),
        "{screen}"
    );
    assert_eq!(display(&screen).len(), 2, "{screen}");
    place.go("measured");
    let (status, screen) = terminal.end();
    assert_eq!(status, 1, "{screen}");
    assert!(!screen.contains(" to build"), "{screen}");
    let log = place
        .logs()
        .into_iter()
        .find(|log| log.contains("panic"))
        .unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert_eq!(lines[0], "about to panic");
    assert!(
        lines[1].contains("thread `other` panicked at ")
            && lines[1].ends_with(": in a thread of the stage"),
        "{log}"
    );
    assert!(
        lines[2].contains("watched.rs:") && lines[2].ends_with(": on purpose"),
        "{log}"
    );
    // The report repeats the log and names its file.
    let end: Vec<_> = screen.lines().rev().take(5).collect();
    assert!(
        end[0].contains("watched log /") && end[0].ends_with("-panics"),
        "{screen}"
    );
    assert!(
        end[1].starts_with("  | ") && end[1].ends_with("on purpose"),
        "{screen}"
    );
    assert_eq!(end[3], "  | about to panic", "{screen}");
    assert_eq!(
        end[4], "stage `panics` failed in run 0; its log ends with",
        "{screen}"
    );
    assert!(screen.contains("its folder is kept: "), "{screen}");
}

#[test]
fn the_display_follows_the_size_of_the_terminal() {
    let place = Place::new();
    let mut terminal = place.terminal(&["many", "--jobs", "30"], 100, 24);
    let fits = |columns: usize, rows: usize| {
        move |screen: &str| {
            let lines: Vec<_> = screen.lines().collect();
            lines.len() == rows
                && lines[0].contains(" to build")
                && lines[1..rows - 1]
                    .iter()
                    .all(|line| line.starts_with("  waits"))
                && lines.iter().all(|line| line.chars().count() < columns)
        }
    };
    // The summary line, as many stages as fit, and the number of the others.
    let screen = terminal.wait_until("30 stages", |screen| screen.ends_with("  and 11 more"));
    assert!(fits(100, 21)(&screen), "{screen}");
    assert!(screen.contains("waiting as number "), "{screen}");
    terminal.resize(30, 24);
    terminal.wait_until("a narrow display", fits(30, 21));
    terminal.resize(120, 12);
    terminal.wait_until("a low display", |screen| {
        screen.ends_with("  and 23 more") && fits(120, 9)(screen)
    });
    terminal.resize(120, 40);
    let screen = terminal.wait_until("a high display", |screen| fits(120, 31)(screen));
    assert!(!screen.contains("more"), "{screen}");
    place.go("waits");
    let (status, screen) = terminal.end();
    assert_eq!(status, 0, "{screen}");
    let shown = without_results(&screen);
    assert!(
        shown
            .iter()
            .all(|line| !line.contains("to build") && !line.contains("waiting")),
        "{screen}"
    );
}

#[test]
fn ctrl_c_stops_the_run_and_leaves_the_terminal_in_order() {
    let place = Place::new();
    let mut terminal = place.terminal(&["measured"], 100, 24);
    terminal.wait_for("25%");
    terminal.type_keys("\x03");
    let (status, screen) = terminal.end();
    assert_eq!(status, 130, "{screen}");
    assert!(
        screen.contains("the run was cancelled: 0 of 1 stages are realized"),
        "{screen}"
    );
    assert!(
        !screen.contains("to build") && !screen.contains("25%"),
        "{screen}"
    );
}

#[test]
fn a_second_ctrl_c_ends_it_at_once_with_the_cursor_below() {
    let place = Place::new();
    let mut terminal = place.terminal(&["deaf"], 100, 24);
    terminal.wait_for("deaf");
    terminal.type_keys("\x03");
    let screen = terminal.wait_for("stopping, 1 stage still runs (Ctrl-C ends it at once)");
    assert!(screen.lines().count() >= 2, "{screen}");
    terminal.type_keys("\x03");
    let (status, screen) = terminal.end();
    assert_eq!(status, 130, "{screen}");
    // The `^C` that the terminal echoes is below as well.
    assert_eq!(screen.lines().last(), Some("^C"), "{screen}");
    assert_eq!(terminal.cursor(), screen.lines().count() - 1, "{screen}");
}

#[test]
fn without_a_terminal_there_are_lines() {
    let place = Place::new();
    place.go("talks");
    let run = place.run(&["talks", "fails", "--jobs", "1", "--keep-going"]);
    assert_eq!(run.status.code(), Some(1));
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!said.contains('\u{1b}') || said.contains("red"), "{said}");
    let told: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("   0:"))
        .map(|line| &line[4..])
        .collect();
    assert!(told.contains(&"build   talks: missing"), "{said}");
    assert!(
        told.iter()
            .any(|line| line.starts_with("built   talks in ")),
        "{said}"
    );
    assert_eq!(
        told.iter()
            .filter(|line| {
                let of = |number| format!("fails number={number}");
                let line_of = |of| format!("failed  {of}: stage `{of}` failed in run 0: ");
                [0, 1]
                    .iter()
                    .any(|number| line.starts_with(&line_of(of(number))))
            })
            .count(),
        2,
        "{said}"
    );
    // Output of stages is in its place.
    assert!(said.contains("\nby eprintln\n"), "{said}");
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(out.starts_with("by println\nby a child\n"), "{out}");
    // The last event of each of the two stages.
    assert_eq!(
        said.matches("; its log ends with\n  | line 20 of ").count(),
        2,
        "{said}"
    );
    assert!(!said.contains("line 19 of"), "{said}");
    // The command shows the whole log.
    let command = said.lines().last().unwrap();
    let command = command.strip_prefix("  all of it: ").unwrap();
    let shown = Command::new("sh")
        .args(["-c", command])
        .env("PYLIGHTNIX_ROOT", place.store())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let first = shown.lines().next();
    assert!(
        first.is_some_and(|line| line.starts_with("line 0 of ")) && shown.lines().count() == 30,
        "{shown}"
    );
}

#[test]
fn a_quiet_run_says_only_what_failed() {
    let place = Place::new();
    place.go("measured");
    let run = place.run(&["measured", "--quiet"]);
    assert_eq!((run.status.code(), &*run.stderr), (Some(0), &b""[..]));
    let run = place.run(&["fails", "--quiet"]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.starts_with("error: ") && said.contains("  all of it: "),
        "{said}"
    );
}

#[test]
fn events_are_json_whatever_is_printed() {
    let place = Place::new();
    place.go("talks");
    place.go("measured");
    let run = place.run(&["talks", "measured", "--progress", "json", "--json"]);
    assert_eq!(run.status.code(), Some(0));
    let said = String::from_utf8(run.stderr).unwrap();
    let events: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["event"] == name)
            .collect()
    };
    assert_eq!(events[0]["event"], "begun");
    assert_eq!(events[0]["stages"], 2);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "ended");
    assert_eq!(
        (&last["built"], &last["reused"], &last["failed"]),
        (&2.into(), &0.into(), &0.into())
    );
    assert!(last["took_seconds"].is_f64() && last["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(of("building").len(), 2);
    assert_eq!(of("started").len(), 2);
    assert_eq!(of("attempt").len(), 2);
    for published in of("published") {
        assert!(published["rref"].as_str().unwrap().starts_with("rref:"));
        assert!(published["dref"].as_str().unwrap().starts_with("dref:"));
        assert_eq!(
            (&published["index"], &published["new"]),
            (&0.into(), &true.into())
        );
        assert!(published["name"] == "talks" || published["name"] == "measured");
    }
    let printed: Vec<_> = of("printed")
        .iter()
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        &printed[..5],
        [
            "by println",
            "by eprintln",
            "by a child",
            "err of a child",
            "20%"
        ]
    );
    // Standard output contains only the results.
    let results: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(results["report"]["built"], 2);

    let run = place.run(&["fails", "--progress", "json", "--jobs", "1"]);
    let said = String::from_utf8(run.stderr).unwrap();
    let events = said
        .lines()
        .map_while(|line| serde_json::from_str::<Value>(line).ok());
    let failed = events
        .into_iter()
        .find(|event| event["event"] == "run_failed")
        .unwrap();
    let kept = PathBuf::from(failed["kept"].as_str().unwrap());
    assert!(kept.join("log").exists());
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("it failed on purpose")
    );
}

#[test]
fn the_log_of_a_run_can_be_followed_from_another_terminal() {
    let place = Place::new();
    let mut run = place.terminal(&["measured"], 100, 20);
    run.wait_for("25%");
    let mut log = place.command(&["log", "--follow", "measured"], 300, 20);
    let line = format!("epoch 1: {}", "the loss went down, ".repeat(8));
    log.wait_for(line.trim_end());
    place.go("measured");
    assert_eq!(run.end().0, 0);
    let (status, screen) = log.end();
    assert_eq!((status, &*screen), (0, line.trim_end()));
}
