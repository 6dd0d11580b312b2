//! The command `accept`.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use tests::line::Line;

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_edited"))
}

/// A store with the results of a version of the experiment.
fn built(code: &str) -> Line {
    let line = line();
    assert_eq!(line.say(&format!("run --code {code} -q")).code, 0);
    line
}

/// Returns whether nothing has to run for a version.
fn is_done(line: &Line, code: &str) -> bool {
    let plan = line.out(&format!("plan --code {code}"));
    plan.ends_with("nothing to build: 2 stages reused\n")
}

#[test]
fn what_an_item_made_stale_is_accepted() {
    let line = built("first");
    let would = line.out("accept --changed normalise --code same --dry-run");
    assert!(would.ends_with("would accept 1 result\n"), "{would}");
    assert!(!is_done(&line, "same"));
    let accepted = line.out("accept --changed normalise --code same");
    assert!(accepted.ends_with("accepted 1 result\n"), "{accepted}");
    let row = accepted.lines().nth(1).unwrap();
    assert!(
        row.contains("scaled") && row.contains(" counts as "),
        "{row}"
    );
    assert!(is_done(&line, "same"));
    let shown = line.out("show scaled");
    assert!(shown.contains("accepted by ada on "), "{shown}");
    assert!(shown.contains(" counts as "), "{shown}");
    let builds = &line.json("show scaled")["builds"];
    assert_eq!(builds[1]["accepted"], builds[0]["fingerprint"]);
    assert_ne!(builds[1]["fingerprint"], builds[0]["fingerprint"]);
}

#[test]
fn an_item_that_changed_nothing_is_told_with_what_did() {
    let line = built("first");
    let said = line.say("accept --changed nothing --code same");
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .contains("because of another change: fn `normalise`"),
        "{}",
        said.out
    );
    assert!(said.out.ends_with("nothing to accept\n"), "{}", said.out);
}

#[test]
fn the_first_line_of_a_plan_names_what_accepts_it() {
    let line = built("earlier");
    let plan = line.out("plan --code first");
    let first = plan.lines().next().unwrap();
    assert!(first.starts_with("The results of 2 stages were"), "{first}");
    assert!(first.contains("`accept --all`"), "{first}");
    let run = line.say("run scaled --code first");
    assert!(run.err.contains("`accept --all`"), "{}", run.err);

    let line = built("earlier");
    let accepted = line.out("accept --all --code first");
    assert!(accepted.ends_with("accepted 2 results\n"), "{accepted}");
    assert!(is_done(&line, "first"));
    let again = line.out("accept --all --code first");
    assert_eq!(again, "nothing to accept\n");
}

#[test]
fn other_bytes_are_refused_and_told() {
    let line = built("first");
    let said = line.say("accept scaled --check --code other");
    assert_eq!(said.code, 1);
    assert!(said.out.starts_with("scaled: "), "{}", said.out);
    let why = "is not accepted, as the stage gives other bytes now:\n  ! scaled.txt";
    assert!(said.out.contains(why), "{}", said.out);
    assert!(said.out.contains("line 2"), "{}", said.out);
    assert!(!is_done(&line, "other"));
    assert_eq!(line.say("accept scaled --check --code same").code, 0);
    assert!(is_done(&line, "same"));
}

#[test]
fn stages_are_named_and_wait_for_their_dependencies() {
    let line = built("first");
    let early = line.say("accept shown --code both");
    assert_eq!(early.code, 1);
    assert!(
        early
            .out
            .contains("shown waits: `scaled`, which it depends on, has to be"),
        "{}",
        early.out
    );
    let both = line.json("accept scaled shown --check --code both");
    assert_eq!(both["dry_run"], false);
    let stages: Vec<_> = both["accepted"].as_array().unwrap().iter().collect();
    assert_eq!((stages.len(), &stages[1]["stage"]), (2, &"shown".into()));
    assert!(stages[0]["rref"].as_str().unwrap().starts_with("rref:"));
    assert!(is_done(&line, "both"));
}

#[test]
fn what_is_accepted_has_to_be_said() {
    let line = built("first");
    for wrong in ["", "--all scaled", "--all --changed normalise", "nothing"] {
        let said = line.say(&format!("accept {wrong}"));
        assert_eq!(said.code, 2, "{wrong}: {said:?}");
    }
    assert_eq!(line.say("accept --all --target nothing").code, 2);
}
