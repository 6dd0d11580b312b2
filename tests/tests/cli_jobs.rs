//! A run as a job of a shell: Ctrl-Z, `fg`, `bg`, an abrupt end.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use portable_pty::CommandBuilder;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::store::folder;
use tests::terminal::Terminal;

const WATCHED: &str = env!("CARGO_BIN_EXE_watched");

/// A shell in a terminal.
struct Shell {
    folder: TempDir,
    terminal: Terminal,
}

impl Shell {
    fn new() -> Self {
        let folder = folder();
        let mut bash = CommandBuilder::new("bash");
        bash.args(["--norc", "--noprofile", "--noediting", "-i"]);
        bash.env("PYLIGHTNIX_ROOT", folder.path().join("store"));
        bash.env("WATCHED", folder.path());
        bash.env("TERM", "xterm-256color");
        bash.env("PS1", "shell> ");
        for name in ["NO_COLOR", "COLUMNS", "PROMPT_COMMAND", "RUST_BACKTRACE"] {
            bash.env_remove(name);
        }
        bash.cwd(folder.path());
        std::os::unix::fs::symlink(WATCHED, folder.path().join("watched")).unwrap();
        let mut terminal = Terminal::start(bash, 90, 24);
        terminal.wait_for("shell>");
        // Otherwise Ctrl-Z discards output that is on its way to the terminal.
        terminal.type_keys("stty noflsh; clear\n");
        terminal.wait_until("clear screen", |screen| screen == "shell>");
        Shell { folder, terminal }
    }

    /// Returns the number up to which the child process of the stage has counted.
    fn count(&self) -> u32 {
        let text = fs::read_to_string(self.folder.path().join("count")).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    fn wait_for_count(&self) {
        let (begun, count) = (Instant::now(), self.count());
        while self.count() <= count {
            assert!(begun.elapsed() < Duration::from_secs(60), "it counts");
            sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_prompt_after(&self, text: &str) -> String {
        self.terminal.wait_until(text, |screen| {
            screen.contains(text) && screen.ends_with("shell>")
        })
    }

    fn go(&self, stage: &str) {
        fs::write(self.folder.path().join(stage), "").unwrap();
    }
}

#[test]
fn what_is_stopped_leaves_the_terminal_to_the_shell_and_comes_back() {
    let mut shell = Shell::new();
    shell
        .terminal
        .type_keys("./watched run measured counts --jobs 2\n");
    shell.terminal.wait_for("25%");
    shell.wait_for_count();
    for (time, command) in ["first", "second"].iter().enumerate() {
        shell.terminal.type_keys("\x1a");
        let screen = shell.terminal.wait_until("prompt", |screen| {
            screen.matches("Stopped").count() == time + 1 && screen.ends_with("shell>")
        });
        assert!(
            !screen.contains("to build") && !screen.contains("^Z"),
            "{screen}"
        );
        // Everything is stopped: the display and the child processes.
        let (sent, count) = (shell.terminal.raw(0).len(), shell.count());
        sleep(Duration::from_millis(400));
        assert_eq!(shell.terminal.raw(sent), b"");
        assert_eq!(shell.count(), count);

        shell
            .terminal
            .type_keys(&format!("echo the $((1)) {command}\n"));
        shell.wait_for_prompt_after(&format!("the 1 {command}\n"));
        shell.terminal.type_keys("fg\n");
        let screen = shell.terminal.wait_for("25%");
        shell.wait_for_count();
        assert_eq!(screen.matches("to build").count(), 1, "{screen}");
        // The display is below all other output.
        let said = screen.find(command).unwrap();
        assert!(said < screen.find("to build").unwrap(), "{screen}");
    }
    let raw = String::from_utf8_lossy(&shell.terminal.raw(0)).into_owned();
    assert!(!raw.contains("\x1b[?25l"), "the cursor is never hidden");
    shell.go("measured");
    shell.go("counts");
    let screen = shell
        .terminal
        .wait_for("2 of 2 stages built in 2 runs, 0 reused");
    assert!(!screen.contains("to build"), "{screen}");
}

#[test]
fn in_the_background_nothing_is_drawn() {
    let mut shell = Shell::new();
    shell
        .terminal
        .type_keys("./watched run measured talks --jobs 2\n");
    shell.terminal.wait_for("25%");
    shell.terminal.type_keys("\x1a");
    shell.wait_for_prompt_after("Stopped");
    shell.terminal.type_keys("bg\n");
    shell.wait_for_prompt_after("[1]+ ./watched");
    shell.terminal.type_keys("echo typ");
    shell.terminal.wait_for("shell> echo typ");
    sleep(Duration::from_millis(400));
    shell.terminal.type_keys("ed\n");
    let screen = shell.wait_for_prompt_after("echo typed\ntyped\n");
    assert!(!screen.contains("to build"), "{screen}");
    shell.terminal.type_keys("fg\n");
    let screen = shell.terminal.wait_for("25%");
    assert_eq!(screen.matches("to build").count(), 1, "{screen}");
    shell.go("measured");
    shell.go("talks");
    let screen = shell
        .terminal
        .wait_for("2 of 2 stages built in 2 runs, 0 reused");
    assert!(!screen.contains("to build"), "{screen}");
    assert!(screen.contains("echo typed\ntyped\n"), "{screen}");
}

#[test]
fn the_last_words_of_a_program_that_ends_all_of_a_sudden_are_shown() {
    let mut shell = Shell::new();
    shell
        .terminal
        .type_keys("ulimit -c 0; ./watched run measured aborts --jobs 2\n");
    shell.terminal.wait_for("25%");
    shell.go("aborts");
    // Before or after the shell's message about the end: their order is not determined. What the shell was the first to write into stays.
    let last = ["the invariant of a library\n", "does not hold", "Aborted"];
    shell.terminal.wait_until("last words", |screen| {
        let places = last.map(|words| screen.find(words));
        let is_shell_first = places[2] < places[0];
        places.iter().all(Option::is_some) && (is_shell_first || !screen.contains("25%"))
    });
    shell.terminal.type_keys("echo $((20 + 3)) now\n");
    shell.terminal.wait_for("23 now");
}
