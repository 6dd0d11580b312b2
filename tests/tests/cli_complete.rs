//! Completions, in a real bash.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests fails them by panicking"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::line::Line;

/// Returns what bash offers after `words`, whose last word may be incomplete.
fn offered(line: &Line, program: &str, words: &str) -> Vec<String> {
    let script = format!(
        "{program} completions bash > script || exit 1\n\
         source ./script\n\
         COMP_WORDS=({words}{})\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         COMP_TYPE=9\n\
         COMP_LINE=\"${{COMP_WORDS[*]}}\"\n\
         COMP_POINT=${{#COMP_LINE}}\n\
         spec=$(complete -p \"${{COMP_WORDS[0]}}\")\n\
         function=${{spec#*-F }}\n\
         ${{function%% *}} \"${{COMP_WORDS[0]}}\" \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        if words.ends_with(' ') { "''" } else { "" },
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile"])
        .current_dir(line.folder.path())
        .env("PYLIGHTNIX_ROOT", line.store.root())
        .env_remove("COMPLETE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut bash = bash.spawn().unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");
const EXPERIMENT: &str = env!("CARGO_BIN_EXE_experiment");

#[test]
fn commands_names_and_references() {
    let line = Line::new(STORE);
    let offer = |words: &str| offered(&line, STORE, words);
    assert_eq!(offer("pylightnix rep"), ["repair"]);
    assert_eq!(offer("pylightnix show num"), ["numbers"]);
    assert_eq!(offer("pylightnix show da8c"), ["da8c3c32"]);
    assert_eq!(offer("pylightnix show da8c3c32/"), ["da8c3c32/9949d1ad"]);
    assert_eq!(offer("pylightnix diff mean p"), ["plot"]);
    let names = offer("pylightnix path ");
    assert!(names.iter().any(|name| name == "flaky"), "{names:?}");
    assert!(offer("pylightnix gc --ol").contains(&"--older-than".to_owned()));
    // With another store.
    assert!(!offer("pylightnix --store nowhere show num").contains(&"numbers".to_owned()));
}

#[test]
fn targets_and_stages() {
    let line = Line::empty(EXPERIMENT);
    let offer = |words: &str| offered(&line, EXPERIMENT, words);
    assert_eq!(offer("experiment run nu"), ["numbers"]);
    assert!(offer("experiment run ").contains(&"endless".to_owned()));
    assert_eq!(offer("experiment run --force me"), ["mean"]);
    assert_eq!(offer("experiment accept me"), ["mean"]);
    assert_eq!(offer("experiment accept --all --target nu"), ["numbers"]);
}

#[test]
fn parameters_and_their_values() {
    const TUNED: &str = env!("CARGO_BIN_EXE_tuned");
    let line = Line::empty(TUNED);
    let offer = |words: &str| offered(&line, TUNED, words);
    assert_eq!(offer("tuned run --set cl"), ["clusters="]);
    assert_eq!(
        offer("tuned plan --set train."),
        ["train.rate=", "train.model=", "train.title="]
    );
    assert_eq!(
        offer("tuned run --set train.m"),
        ["train.model=small", "train.model=very-large"]
    );
    assert_eq!(
        offer("tuned run --set=train.model="),
        ["--set=train.model=small", "--set=train.model=very-large"]
    );
    assert_eq!(
        offer("tuned run --sweep=train.model=small,v"),
        ["--sweep=train.model=small,very-large"]
    );
    let file = line.folder.path().join("params.toml");
    std::fs::write(file, "[profile.quick]\n[profile.slow]\n").unwrap();
    assert_eq!(offer("tuned run --profile q"), ["quick"]);
}

#[test]
fn other_shells_have_scripts() {
    let line = Line::empty(STORE);
    assert!(line.out("completions zsh").contains("#compdef pylightnix"));
    assert!(line.out("completions fish").contains("complete"));
}
