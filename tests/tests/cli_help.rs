//! Each help page says what the command does and when to use it, and has one example; every command is listed.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests fails them by panicking"
)]

use tests::line::Line;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");
const EXPERIMENT: &str = env!("CARGO_BIN_EXE_experiment");

fn commands(help: &str) -> Vec<String> {
    let list = help
        .split_once("Commands:\n")
        .unwrap()
        .1
        .split_once("\n\n")
        .unwrap()
        .0;
    let names = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn each_page_says_what_and_when_and_has_an_example() {
    for program in [STORE, EXPERIMENT] {
        let line = Line::empty(program);
        let all = commands(&line.out("--help"));
        assert!(all.len() > 20, "{all:?}");
        for command in all {
            let help = line.out(&format!("{command} --help"));
            let (what, rest) = help.split_once("\n\n").unwrap();
            assert!(what.len() > 10 && !what.ends_with('.'), "{command}: {what}");
            let (when, _) = rest.split_once("\n\nUsage:").unwrap();
            assert!(
                when.contains("Use it when ") || when.contains("Load it when "),
                "{command}: {when}"
            );
            assert_eq!(help.matches("Example: ").count(), 1, "{command}: {help}");
            assert!(
                help.lines().all(|line| line.chars().count() <= 120),
                "{command}: {help}"
            );
        }
    }
}

/// Every example has to parse as a command line.
#[test]
fn examples_are_understood() {
    for (program, called) in [(STORE, "pylightnix "), (EXPERIMENT, "experiment ")] {
        let line = Line::empty(program);
        for name in commands(&line.out("--help")) {
            if name == "serve" {
                // It does not end; its tests call it with these options.
                continue;
            }
            let help = line.out(&format!("{name} --help"));
            let example = help.split_once("Example: ").unwrap().1;
            let example: Vec<&str> = example.lines().skip(1).collect();
            let example = example.join(" ");
            let words = example.split_once(called).unwrap().1;
            // Up to the first operator of the shell.
            let words = words
                .split(['|', '>', ')'])
                .next()
                .unwrap()
                .replace(['\'', '"'], "");
            let said = line.say(&words);
            let is_of_another_plan = said.err.contains("the plan has no stage");
            assert!(
                said.code != 2 || is_of_another_plan,
                "{words}: {}",
                said.err
            );
        }
    }
}

#[test]
fn manual_pages() {
    let line = Line::empty(STORE);
    let page = line.out("man gc");
    assert!(page.contains(".TH") && page.contains("older"), "{page}");
    assert_eq!(line.say("man nothing").code, 2);
    let _ = line.out("man --folder pages");
    assert!(line.folder.path().join("pages/pylightnix-gc.1").exists());
}
