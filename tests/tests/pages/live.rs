//! Runs as they go on.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use tests::pages::Served;
use tests::store::{folder, store};

use super::serve;

/// The events that a page listens to.
struct Events(BufReader<std::net::TcpStream>);

impl Events {
    fn of(served: &Served, path: &str) -> Self {
        let mut connection = served.connect();
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
            served.host
        )
        .unwrap();
        Events(BufReader::new(connection))
    }

    /// Returns what is sent up to the next event that has this text in it.
    fn wait_for(&mut self, what: &str) -> String {
        let mut said = String::new();
        loop {
            let from = said.len();
            assert!(
                self.0.read_line(&mut said).unwrap() > 0,
                "no {what:?} in {said}"
            );
            if said[from..].contains(what) {
                return said;
            }
        }
    }
}

/// Waits until the store has a run, and returns its identifier.
pub(super) fn run_of(store: &pylightnix::store::Store) -> String {
    loop {
        if let Some(run) = store.runs().unwrap().first() {
            return run.id().to_string();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn end(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_run_of_sixty_stages_is_followed_to_its_end() {
    let (_folder, store) = store();
    let counts = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_spread"));
    command
        .args(["run", "--leaves", "60", "--takes", "30", "--store"])
        .arg(store.root())
        .current_dir(counts.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let served = serve(&store);
    let running = command.spawn().unwrap();
    let run = run_of(&store);
    let page = served.page(&format!("/run/{run}"));
    assert!(page.contains("id=\"state\""));
    let mut events = Events::of(&served, &format!("/run/{run}/events"));
    let first = events.wait_for("event: state");
    assert!(first.contains("text/event-stream"), "{first}");
    let all = events.wait_for("event: end");
    end(running);
    let last = all.rsplit("event: state").next().unwrap();
    assert!(last.contains("61 built"), "{last}");
    assert!(last.contains("badge ended"), "{last}");
    assert!(served.page("/runs").contains(&run));
    // Whoever comes later is told at once that it has ended.
    let _ = Events::of(&served, &format!("/run/{run}/events")).wait_for("event: end");
}

#[test]
fn a_running_stage_shows_its_series_and_its_log() {
    let (_folder, store) = store();
    let releases = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watched"));
    command
        .args(["run", "records", "--store"])
        .arg(store.root())
        .env("WATCHED", releases.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let served = serve(&store);
    let running = command.spawn().unwrap();
    let run = run_of(&store);
    let mut events = Events::of(&served, &format!("/run/{run}/events"));
    // The stage waits for its release after the last of its records.
    let drawn = events.wait_for("at step 7");
    assert!(
        drawn.contains("class=\"line c0\"") && drawn.contains("<strong>loss</strong>"),
        "{drawn}"
    );
    assert!(served.page("/").contains("1 build under way"));
    fs::write(releases.path().join("records"), "").unwrap();
    let _ = events.wait_for("event: end");
    end(running);
}

/// A plan of today is drawn with what a run would do, and its program's own arguments.
#[test]
fn an_experiment_serves_its_plan() {
    let (_folder, store) = store();
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiment"));
    command
        .args([
            "serve",
            "--count",
            "9",
            "--address",
            "127.0.0.1:0",
            "--store",
        ])
        .arg(store.root());
    let served = Served::start(command);
    let plan = served.page("/graph");
    assert!(
        plan.contains("The plan") && plan.contains("to build"),
        "{plan}"
    );
    assert!(served.page("/graph?store=1").contains("All results"));
}
