//! Sealed stages that try what they may not, in every way: all are stopped, and each error names what was tried.

use pylightnix::prelude::*;
use pylightnix::realize::Event;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use tests::forbidden::{attempt, pool};

use crate::actor::{self, Ended};
use crate::figures::Figures;
use crate::invariants::{Expected, Violated, holds};
use crate::scene::place;
use crate::{Options, unable};

/// The number of stages.
const STAGES: usize = 200;

/// A way to try something, at a place, and what the error has to say of it.
struct Trial {
    how: &'static str,
    at: String,
    says: String,
}

/// What listens, and must not hear anything.
struct Listeners {
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
}

/// Runs the campaign: a round is a stage.
///
/// # Errors
/// Fails if a process cannot be started.
pub(crate) fn run(options: &Options) -> Result<Figures> {
    let place = place()?;
    let root = place.path().join("store");
    let home = place.path().join("home");
    fs::create_dir(&home)?;
    let root_text = root.to_string_lossy().into_owned();
    let other = actor::run(&options.program, &["publish", &root_text, "other", "1"])?;
    let Some(other) = other.acknowledged.first() else {
        return Err(unable(format!("nothing was published: {other:?}")));
    };
    let other = Store::open(&root)?.out_dir(other).join("text");
    let (listeners, trials) = trials(&home, &other)?;
    let trials: Vec<_> = trials
        .iter()
        .filter(|trial| options.takes(trial.how))
        .collect();
    let rounds = options.count.unwrap_or(STAGES);
    let mut command = Command::new(&options.program);
    command
        .args(["actor", "sealed"])
        .arg(&root)
        .arg(rounds.to_string());
    for trial in &trials {
        command.args([trial.how, &trial.at]);
    }
    let ended = actor::finish(&mut command)?;
    let mut figures = Figures {
        rounds,
        ..Figures::default()
    };
    for at in 0..rounds {
        let trial = trials[at % trials.len()];
        figures.count(format!("{}: stopped", trial.how));
    }
    if let Err(why) =
        verify(&root, rounds, &trials, &ended).and_then(|()| listeners.heard_nothing())
    {
        eprintln!("{why}");
        figures.violations.push(why);
    }
    Ok(figures)
}

/// Returns the ways, with what they need.
fn trials(home: &Path, other: &Path) -> Result<(Listeners, Vec<Trial>)> {
    let listeners = Listeners {
        tcp: TcpListener::bind("127.0.0.1:0")?,
        udp: UdpSocket::bind("127.0.0.1:0")?,
        unix: UnixListener::bind(home.join("socket"))?,
    };
    listeners.tcp.set_nonblocking(true)?;
    listeners.udp.set_nonblocking(true)?;
    listeners.unix.set_nonblocking(true)?;
    let read = |how, at: String| Trial {
        how,
        says: format!("it is sealed and may not read {at}\n"),
        at,
    };
    let secret = |name: &str| -> Result<String> {
        let path = home.join(name);
        fs::write(&path, "mine")?;
        Ok(path.to_string_lossy().into_owned())
    };
    let send = |how, at: String| Trial {
        how,
        at,
        says: "it is sealed and has no network".to_owned(),
    };
    let trials = vec![
        read("read", "/etc/passwd".to_owned()),
        read("list", home.to_string_lossy().into_owned()),
        read("child", other.to_string_lossy().into_owned()),
        read("link", secret("linked")?),
        read("pool", secret("pooled")?),
        read("relative", format!("/proc/{}/mem", std::process::id())),
        read("swallow and fail", secret("swallowed")?),
        send("tcp", listeners.tcp.local_addr()?.to_string()),
        send("udp", listeners.udp.local_addr()?.to_string()),
        send("unix", home.join("socket").to_string_lossy().into_owned()),
    ];
    Ok((listeners, trials))
}

impl Listeners {
    fn heard_nothing(&self) -> Violated {
        if self.tcp.accept().is_ok() || self.unix.accept().is_ok() {
            return Err("a stage connected".to_owned());
        }
        match self.udp.recv(&mut [0]) {
            Ok(_) => Err("a stage sent something".to_owned()),
            Err(_) => Ok(()),
        }
    }
}

fn verify(root: &Path, rounds: usize, trials: &[&Trial], ended: &Ended) -> Violated {
    if !ended.is_good() || !ended.acknowledged.is_empty() {
        return Err(format!("it ended with {ended:?}"));
    }
    let mut tried: Vec<(&str, usize)> = Vec::new();
    for at in 0..rounds {
        let says = trials[at % trials.len()].says.as_str();
        match tried.iter_mut().find(|(said, _)| *said == says) {
            Some((_, count)) => *count += 1,
            None => tried.push((says, 1)),
        }
    }
    for (says, count) in tried {
        let named = ended.error.matches(says).count();
        if named != count {
            let error = &ended.error;
            return Err(format!("{named} of {count} errors say {says:?}: {error}"));
        }
    }
    holds(root, &Expected::default())
}

/// A stage that tries something.
#[derive(Config)]
struct Attempt {
    #[selfref("got.txt")]
    got: SelfRef<Text>,
    how: String,
    at: String,
    number: usize,
}

#[stage(sealed)]
fn tries(b: &Build<Attempt>) -> Result<AttemptOutputs> {
    let scratch = || Ok(b.scratch()?.to_owned());
    let got = match b.how.as_str() {
        // The refusal is named even if the stage goes on for a while.
        "swallow and fail" => {
            attempt("swallow", &b.at, scratch)?;
            return Err("it failed later: Permission denied".into());
        }
        how => attempt(how, &b.at, scratch)?,
    };
    Ok(AttemptOutputs {
        got: b.got.save(&got)?,
    })
}

fn plan(count: usize, trials: &[&str]) -> Result<Vec<DRef<Attempt>>> {
    let trials: Vec<_> = trials.chunks_exact(2).collect();
    let stages = (0..count).map(|number| {
        let [how, at] = trials[number % trials.len()] else {
            return Err(unable("a way and a place"));
        };
        let attempt = Attempt::new((*how).to_owned(), (*at).to_owned(), number);
        Ok(instantiate(attempt)?)
    });
    stages.collect()
}

/// The process of the campaign: realizes the plan, and prints why stages failed.
pub(crate) fn act(root: &str, count: &str, trials: &[&str]) -> Result<()> {
    let count = count.parse()?;
    pylightnix::worker(|_| plan(count, trials))?;
    // A thread that is there before any stage is sealed may read all.
    pool("/etc/passwd")?;
    let told = |event: &Event<'_>| match event {
        Event::Published { rref, .. } => {
            let _ = actor::acknowledge(rref);
        }
        Event::RunFailed { error, .. } => {
            let _ = writeln!(std::io::stderr(), "{error:?}");
        }
        _ => {}
    };
    let store = Store::open(root)?;
    let run = Realize::new(&store).keep_going().jobs(2).observer(told);
    match run.run(&plan(count, trials)?) {
        Ok(_) => Err(unable("no stage failed")),
        Err(_) => Ok(()),
    }
}
