//! A Slurm of several nodes on this machine, one for all tests of a program.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::services::{brings, end_with_this_process, in_background};
use crate::store::folder;

/// A cluster of four nodes with two processors each, which ends with the process of the test.
pub struct Cluster {
    folder: PathBuf,
}

/// The configuration of the cluster, for whom does not hold it.
static CONF: OnceLock<PathBuf> = OnceLock::new();

static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();

/// Returns the cluster, for one test at a time; `None` on a machine that cannot start one, unless `CI` is `true`, where that is a
/// failure.
///
/// # Panics
/// Slurm does not start.
pub fn cluster() -> Option<MutexGuard<'static, Cluster>> {
    let cluster = CLUSTER.get_or_init(|| Cluster::start().map(Mutex::new));
    let cluster = cluster.as_ref()?;
    let cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    // A node that an earlier test let die may have been taken out of use.
    let mut resume = Command::new("scontrol");
    resume.args(["update", "nodename=ALL", "state=RESUME"]);
    // It fails if all of them are in use.
    let _ = resume.env("SLURM_CONF", cluster.conf()).output();
    Some(cluster)
}

/// Returns what the cluster says of its jobs and nodes, for the message of a test that fails.
#[must_use]
pub fn sight() -> String {
    let Some(conf) = CONF.get() else {
        return String::new();
    };
    let said = ["squeue -r -t all -o %i|%T|%r|%N|%j", "sinfo -N -o %N|%T|%E"].map(|command| {
        let mut words = command.split_whitespace();
        let program = Command::new(words.next().unwrap_or_default())
            .args(words)
            .env("SLURM_CONF", conf)
            .output();
        program.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    });
    said.concat()
}

impl Cluster {
    fn start() -> Option<Self> {
        let folder = folder().keep();
        if !brings("slurm/up", &[folder.as_os_str()]) {
            return None;
        }
        end_with_this_process("slurm/down", &folder);
        let cluster = Cluster { folder };
        let _ = CONF.set(cluster.conf());
        Some(cluster)
    }

    /// Returns the file of its configuration, for the variable `SLURM_CONF`.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.folder.join("slurm.conf")
    }

    /// Runs a command of Slurm, and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let output = Command::new(words.next().expect("a command"))
            .args(words)
            .env("SLURM_CONF", self.conf())
            .output()
            .expect("Slurm is installed");
        assert!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Returns the identifiers of the jobs in the queue that are in one of these states, with commas between them.
    #[must_use]
    pub fn jobs(&self, states: &str) -> Vec<String> {
        let said = self.ask(&format!("squeue -h -r -t {states} -o %i"));
        said.lines().map(str::to_owned).collect()
    }

    /// Returns the number of the process of a daemon: `slurmctld`, or the name of a node.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn process(&self, name: &str) -> i32 {
        let all = fs::read_to_string(self.folder.join("processes")).expect("a list");
        let lines = all.lines().filter_map(|line| line.split_once(' '));
        let mut of_name = lines.filter(|(other, _)| *other == name);
        let (_, process) = of_name.next_back().expect("a process");
        process.parse().expect("a number")
    }

    /// Whether all nodes can take jobs. Those that Slurm put aside because of a job that it did not know are asked to take some again.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let states = self.ask("sinfo -h -N -o %N=%T");
        for (node, state) in states.lines().filter_map(|line| line.split_once('=')) {
            if state.starts_with("drain") || state.starts_with("down") {
                let resume = format!("scontrol update NodeName={node} State=RESUME");
                let mut words = resume.split(' ');
                let mut command = Command::new(words.next().unwrap_or_default());
                // It is asked again.
                let _ = command.args(words).env("SLURM_CONF", self.conf()).output();
            }
        }
        states.lines().all(|line| line.ends_with("=idle"))
    }

    /// Starts the controller again, with what it knew.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_controller(&self) {
        let conf = self.conf().display().to_string();
        let daemon = in_background(&["slurmctld", "-D", "-f", &conf]);
        self.note("slurmctld", &daemon);
    }

    /// Starts the daemon of a node again.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_node(&self, name: &str) {
        let conf = self.conf().display().to_string();
        let daemon = in_background(&["slurmd", "-D", "-N", name, "-f", &conf]);
        self.note(name, &daemon);
    }

    fn note(&self, name: &str, daemon: &str) {
        let path = self.folder.join("processes");
        let mut all = fs::read_to_string(&path).expect("a list");
        all.push_str(&format!("{name} {daemon}\n"));
        fs::write(&path, all).expect("written");
    }
}
