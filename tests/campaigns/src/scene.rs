//! A folder with stores in which an operation meets a fault, recreated for every round.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{actor, unable};

/// The folder of a round, always at the same path, so that links into it stay valid.
///
/// It contains `store`, with a chain that a root protects, an unprotected chain, a link, an ended link, and the remains of
/// dead processes; `peer`, with the first chain and another one; `broken`, a damaged copy of the store; `peer.zip`, an
/// archive of the peer; `old.zip`, another archive.
pub struct Scene {
    program: PathBuf,
    folder: PathBuf,
    template: PathBuf,
    /// The chain that a root protects, in `store` and `peer`.
    pub kept: Vec<RRefId>,
    /// The unprotected chain, in `store`.
    pub garbage: Vec<RRefId>,
    /// All realizations in `store`.
    pub all: BTreeSet<RRefId>,
}

impl Scene {
    /// Creates the stores in `place`, an empty folder.
    ///
    /// # Errors
    /// Fails if a system call or an actor fails.
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
        // Comes last, because the next process would sweep what this one leaves.
        let died = actor::run(program, &["die", &store])?;
        if died.signal.is_none() {
            return Err(unable(format!("it was to die: {died:?}")));
        }
        scene.all = Store::open(store)?.rrefs()?.into_iter().collect();
        fs::rename(&scene.folder, &scene.template)?;
        Ok(scene)
    }

    /// Damages `broken`: damage that the peer can repair, that needs no peer, and that cannot be repaired.
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

    /// Returns the path with this name in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the path as text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Restores everything.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn reset(&self) -> Result<()> {
        if self.folder.exists() {
            command("rm", &[Path::new("-rf"), &self.folder])?;
        }
        copy(&self.template, &self.folder)
    }

    /// Runs an actor that must succeed; returns its acknowledgements.
    ///
    /// # Errors
    /// Fails if the actor fails.
    pub fn act(&self, arguments: &[&str]) -> Result<Vec<RRefId>> {
        let ended = actor::run(&self.program, arguments)?;
        if ended.is_good() {
            return Ok(ended.acknowledged);
        }
        Err(unable(format!("{arguments:?} without a fault: {ended:?}")))
    }
}

/// Creates a temporary folder for a campaign, in memory if possible.
///
/// # Errors
/// Fails if a system call fails.
pub fn place() -> Result<tempfile::TempDir> {
    let memory = tempfile::tempdir_in("/dev/shm");
    Ok(memory.or_else(|_| tempfile::tempdir())?)
}

/// Copies a folder with times, modes and links.
///
/// # Errors
/// Fails if a system call fails.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    command("cp", &[Path::new("-a"), from, to])
}

/// Runs a command that must succeed.
///
/// # Errors
/// Fails with the output if the command fails.
pub fn command(program: &str, arguments: &[&Path]) -> Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| unable(format!("`{program}`: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(unable(format!("{program} {arguments:?}: {said}")))
}
