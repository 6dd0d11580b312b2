//! A folder with stores in which an operation meets a fault, made afresh for every round.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{actor, unable};

/// The folder of a round, always at the same place, so that links into it stay what they are.
///
/// It holds `store`, with a chain that a root keeps, one that nobody keeps, a link, an ended one, and what dead processes
/// left; `peer`, with the first chain and another; `broken`, the store with damage; `peer.zip`, the peer; `old.zip`, some
/// archive.
pub struct Scene {
    program: PathBuf,
    folder: PathBuf,
    template: PathBuf,
    /// A chain that a root keeps, in `store` and `peer`.
    pub kept: Vec<RRefId>,
    /// A chain that nobody keeps, in `store`.
    pub garbage: Vec<RRefId>,
    /// All that is in `store`.
    pub all: BTreeSet<RRefId>,
}

impl Scene {
    /// Makes the stores below `place`, an empty folder.
    ///
    /// # Errors
    /// That they cannot be made.
    pub fn new(program: &Path, place: &Path) -> Result<Scene> {
        let mut scene = Scene {
            program: program.to_owned(),
            folder: place.join("round"),
            template: place.join("template"),
            kept: Vec::new(),
            garbage: Vec::new(),
            all: BTreeSet::new(),
        };
        fs::create_dir_all(&scene.folder)?;
        let (store, peer) = (scene.text("store"), scene.text("peer"));
        scene.kept = scene.act(&["publish", &store, "kept", "3"])?;
        scene.garbage = scene.act(&["publish", &store, "garbage", "3"])?;
        let texts: Vec<String> = scene.kept.iter().map(RRefId::to_string).collect();
        scene.act(&["root", &store, &texts[2], "keep"])?;
        scene.act(&["link", &store, &texts[1], &scene.text("old-link")])?;
        scene.act(&["link", &store, &texts[0], &scene.text("ended-link")])?;
        fs::remove_file(scene.path("ended-link"))?;
        scene.act(&["fail", &store])?;
        scene.act(&["publish", &peer, "kept", "3"])?;
        scene.act(&["publish", &peer, "peer", "2"])?;
        scene.act(&["pack", &peer, &scene.text("peer.zip")])?;
        scene.act(&["pack", &store, &scene.text("old.zip")])?;
        copy(&scene.path("store"), &scene.path("broken"))?;
        scene.damage()?;
        // Last: the next process would sweep what this one leaves.
        let died = actor::run(program, &["die", &store])?;
        if died.signal.is_none() {
            return Err(unable(format!("it was to die: {died:?}")));
        }
        scene.all = Store::open(store)?.rrefs()?.into_iter().collect();
        fs::rename(&scene.folder, &scene.template)?;
        Ok(scene)
    }

    /// Damage that the peer can mend, that needs no peer, and that nobody can mend.
    fn damage(&self) -> Result<()> {
        let broken = Store::open(self.path("broken"))?;
        let flipped = broken.out_dir(&self.kept[1]).join("below/long");
        fs::set_permissions(&flipped, fs::Permissions::from_mode(0o644))?;
        let mut bytes = fs::read(&flipped)?;
        bytes[7] ^= 1;
        fs::write(&flipped, bytes)?;
        fs::set_permissions(&flipped, fs::Permissions::from_mode(0o444))?;
        let loose = broken.out_dir(&self.kept[0]).join("text");
        fs::set_permissions(loose, fs::Permissions::from_mode(0o644))?;
        let out = broken.out_dir(&self.garbage[2]);
        fs::set_permissions(&out, fs::Permissions::from_mode(0o755))?;
        fs::remove_file(out.join("text"))?;
        fs::set_permissions(&out, fs::Permissions::from_mode(0o555))?;
        Ok(())
    }

    /// What is called this in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Makes all as it was.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn reset(&self) -> Result<()> {
        if self.folder.exists() {
            command("rm", &[Path::new("-rf"), &self.folder])?;
        }
        copy(&self.template, &self.folder)
    }

    /// Runs an actor that has to succeed; gives what it acknowledged.
    ///
    /// # Errors
    /// That it did not.
    pub fn act(&self, arguments: &[&str]) -> Result<Vec<RRefId>> {
        let ended = actor::run(&self.program, arguments)?;
        if ended.is_good() {
            return Ok(ended.acknowledged);
        }
        Err(unable(format!("{arguments:?} without a fault: {ended:?}")))
    }
}

/// A folder for a campaign, gone with its value: in memory where there is such a place.
///
/// # Errors
/// A refusal of the system.
pub fn place() -> Result<tempfile::TempDir> {
    let memory = tempfile::tempdir_in("/dev/shm");
    Ok(memory.or_else(|_| tempfile::tempdir())?)
}

/// Copies a folder with times, modes and links.
///
/// # Errors
/// A refusal of the system.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    command("cp", &[Path::new("-a"), from, to])
}

/// Runs a command that has to succeed.
///
/// # Errors
/// That it did not, with what it said.
pub fn command(program: &str, arguments: &[&Path]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| unable(format!("`{program}`: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(unable(format!("{program} {arguments:?}: {said}")))
}
