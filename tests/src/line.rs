//! A store with fixed bytes, for tests of command line output.

use crate::store::{folder, unused};
use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A store whose references, times and texts are equal in every run: `numbers` twice, `mean` of each, a `plot` with several
/// files, and a recorded failure.
pub struct Line {
    /// The folder of the store, which can also hold files of the test.
    pub folder: TempDir,
    /// The store.
    pub store: Store,
    program: &'static str,
    variables: Vec<(&'static str, PathBuf)>,
}

/// The result of a command, with the paths of this run replaced by placeholders.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Line {
    /// Creates the store, to be used with the program `env!("CARGO_BIN_EXE_..")`.
    #[must_use]
    pub fn new(program: &'static str) -> Self {
        let line = Self::empty(program);
        let mut time = 0;
        let store = &line.store;
        let mut made = Vec::new();
        for count in [3, 5] {
            let text = format!(
                "{{\"name\": \"numbers\", \"out\": [\"__self__\", \"numbers.json\"], \"count\": {count}}}"
            );
            let config = ConfigJson::from_json(&text).expect("a config");
            let numbers: Vec<u32> = (0..count).collect();
            let files = [("numbers.json", format!("{numbers:?}\n"))];
            time += 60;
            let numbers = publish(
                store,
                &config,
                &[],
                &files,
                Outcome::Ok,
                time,
                &format!("making {count} numbers\n"),
            );
            let text = format!(
                "{{\"name\": \"mean\", \"out\": [\"__self__\", \"mean.json\"], \"numbers\": \"{}\"}}",
                config.id()
            );
            let config = ConfigJson::from_json(&text).expect("a config");
            let value = f64::from(count - 1) / 2.0;
            let files = [("mean.json", format!("{{\"value\": {value:?}}}\n"))];
            time += 60;
            made.push(publish(
                store,
                &config,
                &[&numbers],
                &files,
                Outcome::Ok,
                time,
                "",
            ));
        }
        let text = format!(
            "{{\"name\": \"plot\", \"mean\": \"{}\", \"title\": \"The mean\"}}",
            made[0].dref()
        );
        let config = ConfigJson::from_json(&text).expect("a config");
        let files = [
            ("data/points.csv", "x,y\n1,2\n".to_owned()),
            ("data/more/notes.txt", "none\n".to_owned()),
            ("plot.svg", "<svg/>\n".to_owned()),
        ];
        publish(
            store,
            &config,
            &[&made[0]],
            &files,
            Outcome::Ok,
            time + 60,
            "drawing\n",
        );
        let config = ConfigJson::from_json("{\"name\": \"flaky\"}").expect("a config");
        let files = [("failure.txt", "it did not work\n".to_owned())];
        publish(store, &config, &[], &files, Outcome::Failed, time + 120, "");
        // This process's lease protects what it published; copy the store, so that the program may remove everything.
        let (folder, store) = unused(store);
        Line {
            folder,
            store,
            program,
            variables: Vec::new(),
        }
    }

    /// Creates an empty store.
    #[must_use]
    pub fn empty(program: &'static str) -> Self {
        let folder = folder();
        let store = Store::open(folder.path().join("store")).expect("a new store");
        Line {
            folder,
            store,
            program,
            variables: Vec::new(),
        }
    }

    /// Sets a variable for all commands.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: PathBuf) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Returns the command with these arguments, separated by spaces, in a fixed environment.
    #[must_use]
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env("PYLIGHTNIX_ROOT", self.store.root())
            .env("PYLIGHTNIX_KEYS", self.folder.path().join("keys"))
            .env("TZ", "UTC")
            .env("COLUMNS", "80")
            .env("TERM", "dumb")
            .env("USER", "ada")
            .stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COMPLETE"] {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// Runs the program.
    #[must_use]
    pub fn say(&self, arguments: &str) -> Said {
        self.said(self.command(arguments).output().expect("a program"))
    }

    /// Runs the program, which must succeed, and returns its output.
    #[must_use]
    pub fn out(&self, arguments: &str) -> String {
        let said = self.say(arguments);
        assert_eq!(
            (said.code, said.err.as_str()),
            (0, ""),
            "{arguments}: {}",
            said.out
        );
        said.out
    }

    /// Runs the program, which must succeed, and returns its output as JSON.
    #[must_use]
    pub fn json(&self, arguments: &str) -> serde_json::Value {
        let out = self.out(&format!("{arguments} --json"));
        serde_json::from_str(&out).expect("JSON")
    }

    /// Replaces the paths of this run in an output by placeholders.
    #[must_use]
    pub fn said(&self, output: Output) -> Said {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("text");
            let named = [
                (self.store.root(), "[STORE]"),
                (self.folder.path(), "[FOLDER]"),
                (Path::new(self.program), "[PROGRAM]"),
            ];
            named.iter().fold(text, |text, (path, name)| {
                text.replace(&path.display().to_string(), name)
            })
        };
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Returns the newest realization with this name.
    #[must_use]
    pub fn newest(&self, name: &str) -> RRefId {
        self.out(&format!("path {name} --json"))
            .parse::<serde_json::Value>()
            .expect("JSON")["reference"]
            .as_str()
            .expect("a reference")
            .parse()
            .expect("a reference")
    }
}

/// Publishes files, with a build record that ends `time` seconds into the year.
fn publish(
    store: &Store,
    config: &ConfigJson,
    on: &[&RRefId],
    files: &[(&str, String)],
    outcome: Outcome,
    time: i64,
    log: &str,
) -> RRefId {
    let mut draft = store.plumbing().draft().expect("a draft");
    for (path, text) in files {
        let path = draft.out().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    if !log.is_empty() {
        fs::write(draft.log(), log).expect("a log");
    }
    let mut build = BuildRecord::now(BuildKind::Build);
    let at = |seconds: i64| format!("2026-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60);
    build.start = at(time - 5).parse().expect("a time");
    build.stop = at(time).parse().expect("a time");
    build.id = format!("019b0000-0000-7000-8000-{time:012}")
        .parse()
        .expect("an identifier");
    build.host = "lab".to_owned();
    build.user = "ada".to_owned();
    build.command = vec!["./experiment".to_owned(), "run".to_owned()];
    build.commit = Some("0123456789".repeat(4));
    build.fingerprint = Some(format!("{time:04x}").repeat(8));
    let context: Context = on.iter().map(|rref| (*rref).clone()).collect();
    draft
        .publish(config, &context, outcome, &build)
        .expect("published")
        .id
}
