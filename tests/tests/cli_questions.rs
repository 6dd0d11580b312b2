//! The command line of a program whose plan depends on results.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use tests::line::{Line, Said};

/// Runs the program in a folder with the file that it asks for.
struct Asking {
    line: Line,
}

impl Asking {
    fn new(count: &str) -> Self {
        let line = Line::empty(env!("CARGO_BIN_EXE_asking"));
        let asking = Asking { line };
        asking.count(count);
        asking
    }

    fn count(&self, count: &str) {
        fs::write(self.line.folder.path().join("count.txt"), count).unwrap();
    }

    fn say(&self, words: &str) -> Said {
        self.line.say(words)
    }
}

#[test]
fn a_run_answers_and_goes_on() {
    let asking = Asking::new("2");
    let said = asking.say("run");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err
            .ends_with("4 of 4 stages built in 4 runs, 0 reused\n"),
        "{}",
        said.err
    );
    let again = asking.say("run");
    assert!(
        again.err.contains("nothing to build: all 4 stages reused"),
        "{again:?}"
    );
    asking.count("3");
    let said = asking.say("run");
    assert!(said.err.contains("5 of 5 stages built"), "{said:?}");
    assert!(asking.say("cat part@1").out.ends_with(" of 3"));
}

#[test]
fn a_plan_shows_what_was_asked_so_far() {
    let asking = Asking::new("2");
    let said = asking.say("plan");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("count") && !said.out.contains("part"),
        "{said:?}"
    );
    assert!(
        said.out
            .ends_with("the rest is decided when `count` is known\n"),
        "{said:?}"
    );
    assert!(asking.say("graph").out.contains("count"));
    assert_eq!(asking.say("run --quiet").code, 0);
    let said = asking.say("plan");
    assert!(
        said.out.contains("nothing to build: 4 stages reused"),
        "{said:?}"
    );
    // Nothing is built for it.
    let said = asking.say("plan --force count");
    assert!(
        said.out.contains("forced") && said.out.contains("the rest is decided"),
        "{said:?}"
    );
    assert!(asking.say("why part").err.contains("several stages"));
}

#[test]
fn stages_of_questions_are_forced_and_kept() {
    let asking = Asking::new("1");
    assert_eq!(asking.say("run --quiet").code, 0);
    let said = asking.say("run --force count");
    assert!(
        said.err.contains("1 of 3 stages built in 1 run"),
        "{said:?}"
    );
    let said = asking.say("run --force nothing");
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("the plan has no stage `nothing`"),
        "{said:?}"
    );
    let roots = asking.say("roots");
    assert!(
        roots.out.lines().any(|line| line.contains("  count  ")),
        "{roots:?}"
    );
    let gc = asking.say("gc");
    assert_eq!(gc.code, 0, "{gc:?}");
    assert!(
        asking
            .say("run")
            .err
            .contains("nothing to build: all 3 stages reused")
    );
}

#[test]
fn a_question_that_fails_is_a_run_that_fails() {
    let asking = Asking::new("many");
    let said = asking.say("run");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("invalid digit"), "{said:?}");
}
