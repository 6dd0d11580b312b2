//! Completions in a real zsh and a real fish. As not every machine has these, `tests/shells` runs these tests, and they fail
//! if a shell is missing.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests fails them by panicking"
)]

use portable_pty::CommandBuilder;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use tests::line::Line;
use tests::terminal::Terminal;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");
const EXPERIMENT: &str = env!("CARGO_BIN_EXE_experiment");

/// The typed text, and the completed text.
const TYPED: [(&str, &str); 8] = [
    ("pylightnix rep", "pylightnix repair"),
    ("pylightnix show num", "pylightnix show numbers"),
    ("pylightnix show da8c", "pylightnix show da8c3c32"),
    (
        "pylightnix show da8c3c32/",
        "pylightnix show da8c3c32/9949d1ad",
    ),
    ("pylightnix gc --ol", "pylightnix gc --older-than"),
    ("pylightnix diff mean pl", "pylightnix diff mean plot"),
    ("./experiment run endl", "./experiment run endless"),
    (
        "./experiment run --force me",
        "./experiment run --force mean",
    ),
];

/// Creates a store, and programs in a folder in `PATH` whose name contains a space.
fn line() -> (Line, String) {
    let line = Line::new(STORE);
    let programs = line.folder.path().join("my programs");
    fs::create_dir(&programs).unwrap();
    // Copies, because a link would be resolved.
    fs::copy(STORE, programs.join("pylightnix")).unwrap();
    symlink(EXPERIMENT, line.folder.path().join("experiment")).unwrap();
    let path = format!(
        "{}:{}",
        programs.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    (line, path)
}

#[test]
#[ignore = "it needs zsh: `tests/shells` runs it"]
fn zsh_completes() {
    // With the completion system set up by the user, and without.
    for set_up in ["", "autoload -Uz compinit; compinit\n"] {
        let (line, path) = line();
        let home = line.folder.path().join("home");
        fs::create_dir(&home).unwrap();
        let begin = format!(
            "PS1='zsh> '\n{set_up}source <(pylightnix completions zsh)\nsource <(./experiment completions zsh)\n"
        );
        fs::write(home.join(".zshrc"), begin).unwrap();
        let mut zsh = CommandBuilder::new("zsh");
        zsh.args(["-d", "-i"]);
        zsh.env("ZDOTDIR", &home);
        zsh.env("HOME", &home);
        zsh.env("PATH", path);
        zsh.env("PYLIGHTNIX_ROOT", line.store.root());
        zsh.env("TERM", "xterm-256color");
        zsh.env_remove("COMPLETE");
        zsh.cwd(line.folder.path());
        let mut terminal = Terminal::start(zsh, 100, 30);
        let screen = terminal.wait_until("prompt", |screen| screen.ends_with("zsh>"));
        assert_eq!(screen, "zsh>");
        for (typed, completed) in TYPED {
            terminal.type_keys(&format!("{typed}\t"));
            terminal.wait_until(completed, |screen| {
                screen.ends_with(&format!("zsh> {completed}"))
            });
            terminal.type_keys("\x15");
            terminal.wait_until("prompt", |screen| screen.ends_with("zsh>"));
        }
    }
}

#[test]
#[ignore = "it needs fish: `tests/shells` runs it"]
fn fish_completes() {
    let (line, path) = line();
    let home = line.folder.path().join("home");
    let settings = home.join(".config/fish");
    fs::create_dir_all(&settings).unwrap();
    fs::write(
        settings.join("config.fish"),
        "pylightnix completions fish | source\n./experiment completions fish | source\n",
    )
    .unwrap();
    for (typed, completed) in TYPED {
        let fish = Command::new("fish")
            .args(["-c", "complete --do-complete $TYPED"])
            .env("TYPED", typed)
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .env("PATH", &path)
            .env("PYLIGHTNIX_ROOT", line.store.root())
            .env_remove("COMPLETE")
            .current_dir(line.folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&fish.stderr), "", "{typed}");
        let offered = String::from_utf8(fish.stdout).unwrap();
        let offered: Vec<_> = offered
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        let word = completed.rsplit(' ').next().unwrap();
        assert_eq!(offered, [word], "{typed}");
    }
}
