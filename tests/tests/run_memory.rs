//! Memory of stages in processes: limits, by control groups and without them, and the most that they held. `SNAPSHOTS=overwrite` rewrites
//! `run_memory/exceeded.txt`, which the book shows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::line::{Line, Said};

fn line() -> Line {
    Line::empty(env!("CARGO_BIN_EXE_isolated"))
}

/// Has a command run where no control group with memory is to be seen, if this process may do that.
fn without_groups(command: &Command) -> Command {
    let mut outside = Command::new("unshare");
    let script = "for at in $(grep -E 'cgroup2| cgroup .*memory' /proc/self/mountinfo | cut -d ' ' -f 5 | sort -r); do umount -l $at; done; \
        exec \"$0\" \"$@\"";
    outside
        .args(["--mount", "sh", "-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outside.env(name, value),
            None => outside.env_remove(name),
        };
    }
    outside
}

/// Whether this process may hide control groups. Without that right, it can make none either.
fn may_hide_groups() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Runs the stage that takes memory in this way, with control groups if they can be made, and without.
fn both(line: &Line, arguments: &str, how: &str) -> Vec<Said> {
    let mut command = line.command(arguments);
    command.env("HOW", how);
    let mut said = vec![line.said(command.output().unwrap())];
    if may_hide_groups() {
        said.push(line.said(without_groups(&command).output().unwrap()));
        let last = &said[said.len() - 1];
        assert!(
            last.err.contains("memory limits: looked at every 100 ms"),
            "{last:?}"
        );
    }
    for said in &said {
        assert_eq!(
            said.err.matches("note    memory limits: ").count(),
            1,
            "{said:?}"
        );
    }
    said
}

#[test]
fn a_stage_that_uses_more_than_it_declares_is_killed() {
    for seal in ["", " --sealed"] {
        let line = line();
        let arguments = format!("run eats --on processes --progress lines{seal}");
        for said in both(&line, &arguments, "memory") {
            assert_eq!(said.code, 1, "{said:?}");
            let killed = "stage `eats` failed in run 0: its process was killed: it used ";
            assert!(said.err.contains(killed), "{}", said.err);
            assert!(said.err.contains("of 100 MiB of memory"), "{}", said.err);
            assert!(
                said.err.contains("`#[stage(memory = \"200MiB\")]`"),
                "{}",
                said.err
            );
        }
        for failed in line.store.failed_builds().unwrap() {
            let log = fs::read_to_string(failed.log()).unwrap();
            assert_eq!(log, "this is memory\n");
        }
        assert!(line.store.rrefs().unwrap().is_empty());
    }
}

#[test]
fn the_book_shows_one_that_was_killed() {
    let line = line();
    let mut command = line.command("run eats --on processes -q");
    command.env("HOW", "memory");
    let said = match may_hide_groups() {
        true => line.said(without_groups(&command).output().unwrap()),
        // Then there are none.
        false => line.said(command.output().unwrap()),
    };
    let lines = said.err.lines().filter(|line| !line.is_empty());
    let shown: Vec<_> = lines
        .take_while(|line| !line.contains("its folder"))
        .collect();
    let shown = shown.join("\n") + "\n";
    // How much it used when it was looked at differs.
    let (before, after) = shown.split_once("it used ").unwrap();
    let (_, after) = after.split_once(" of ").unwrap();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(
        format!("{before}it used 140.5 of {after}"),
        snapbox::file!["run_memory/exceeded.txt"].raw(),
    );
}

#[test]
fn what_a_stage_starts_counts() {
    let line = line();
    for said in both(&line, "run eats --on processes --progress lines", "child") {
        assert_eq!(said.code, 1, "{said:?}");
        let (it, together) = ("it used", "together they used");
        assert!(
            said.err.contains(it) || said.err.contains(together),
            "{}",
            said.err
        );
        assert!(said.err.contains("of 100 MiB of memory"), "{}", said.err);
    }
}

#[test]
fn what_is_only_reserved_or_shared_is_no_more_memory() {
    let line = line();
    for how in ["little", "reserved", "shared"] {
        let arguments = "run eats --on processes --progress lines --force eats";
        for said in both(&line, arguments, how) {
            assert_eq!(said.code, 0, "{how}: {said:?}");
        }
    }
    assert_eq!(line.say("check").code, 0);
}

#[test]
fn the_most_memory_is_kept() {
    let line = line();
    for said in both(
        &line,
        "run eats --on processes --progress lines --force eats",
        "little",
    ) {
        assert_eq!(said.code, 0, "{said:?}");
    }
    let show = line.json("show eats");
    for build in show["builds"].as_array().unwrap() {
        let peak = build["peak_memory_bytes"].as_u64().unwrap();
        assert!((20 << 20..120 << 20).contains(&peak), "{peak}");
    }
    assert!(line.out("show eats").contains(" MiB of memory by ada"));
    // Of a process that was kept, what a stage before it held does not count.
    assert_eq!(line.say("run takes --on processes --jobs 1 -q").code, 0);
    let mut peaks: Vec<u64> = (line.store.rrefs().unwrap().iter())
        .filter(|rref| rref.name().as_str() == "takes")
        .map(|rref| {
            line.store.realization(rref).unwrap().builds()[0]
                .peak_memory
                .unwrap()
        })
        .collect();
    peaks.sort_unstable();
    assert!(peaks[0] < 100 << 20 && peaks[1] >= 150 << 20, "{peaks:?}");
    assert!(
        line.out("compare takes")
            .lines()
            .next()
            .unwrap()
            .contains("memory")
    );
    // Threads share theirs.
    assert_eq!(line.say("run lives -q").code, 0);
    assert!(line.json("show dies")["builds"][0]["peak_memory_bytes"].is_null());
}

/// Returns the control groups that a process made for its stages.
fn groups_of(process: u32) -> Vec<String> {
    let name = format!("pylightnix-{process}-*");
    let found = Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name", &name])
        .output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn no_control_group_is_left() {
    let line = line();
    let run = |how: &str| {
        let mut command = line.command("run eats --on processes --progress lines --force eats");
        command
            .env("HOW", how)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let ended = run("memory");
    let id = ended.id();
    let ended = ended.wait_with_output().unwrap();
    assert_eq!(groups_of(id), Vec::<String>::new());
    if !String::from_utf8_lossy(&ended.stderr).contains("control groups (cgroup") {
        // None can be made here.
        return;
    }
    // A run that is killed leaves its group, and the next one removes it.
    let mut command = line.command("run asleep --on processes -q");
    let mut killed = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while groups_of(killed.id()).is_empty() {
        assert!(Instant::now() < until, "no group is made");
        sleep(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    while !groups_of(killed.id()).is_empty() {
        assert!(Instant::now() < until, "a group is left");
        assert!(run("little").wait_with_output().unwrap().status.success());
    }
}
