//! Small stores, and processes that work in them.

use pylightnix::config::{ConfigJson, Digest, RRefId};
use pylightnix::store::{
    BuildKind, BuildRecord, Context, Draft, Entry, EntryKind, Manifest, Outcome, Published, Record,
    Store,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A folder for one test, that every user can look into.
#[must_use]
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("its mode");
    folder
}

/// A fresh store in a folder of its own.
#[must_use]
pub fn store() -> (TempDir, Store) {
    let folder = folder();
    let store = Store::open(folder.path().join("store")).expect("a new store");
    (folder, store)
}

/// A config of nothing but a name.
#[must_use]
pub fn config(name: &str) -> ConfigJson {
    ConfigJson::from_json(&format!("{{\n    \"name\": \"{name}\"\n}}")).expect("a config")
}

/// A config of a name and one dependency.
#[must_use]
pub fn config_on(name: &str, on: &ConfigJson) -> ConfigJson {
    let text = format!(
        "{{\n    \"name\": \"{name}\",\n    \"on\": \"{}\"\n}}",
        on.id()
    );
    ConfigJson::from_json(&text).expect("a config")
}

/// A record of a build that ended just now.
#[must_use]
pub fn built() -> BuildRecord {
    BuildRecord::now(BuildKind::Build)
}

/// Publishes a draft of a derivation without dependencies.
///
/// # Errors
/// Those of publishing.
pub fn publish(draft: &mut Draft, config: &ConfigJson) -> pylightnix::Result<Published> {
    draft.publish(config, &Context::empty(), Outcome::Ok, &built())
}

/// Publishes files of these texts.
pub fn publish_texts(
    store: &Store,
    config: &ConfigJson,
    context: &Context,
    files: &[(&str, &str)],
) -> RRefId {
    let mut draft = store.plumbing().draft().expect("a draft");
    for (path, text) in files {
        let path = draft.out().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        fs::write(path, text).expect("a file");
    }
    let published = draft
        .publish(config, context, Outcome::Ok, &built())
        .expect("published");
    published.id
}

/// A copy of a store that no living process uses, this one included.
#[must_use]
pub fn unused(store: &Store) -> (TempDir, Store) {
    let folder = folder();
    let root = folder.path().join("store");
    copy_all(store.root(), &root);
    let store = Store::open(root).expect("the copy");
    (folder, store)
}

/// Copies a folder with times, modes and links.
pub fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.expect("cp").success());
}

/// Publishes one file as a realization made from others.
pub fn publish_on(store: &Store, config: &ConfigJson, on: &[&RRefId], text: &str) -> RRefId {
    let context = on.iter().map(|rref| (*rref).clone()).collect();
    publish_texts(store, config, &context, &[("x", text)])
}

/// Makes of a realization one whose record does not say from what it was made, and is sound otherwise.
pub fn forget_context(store: &Store, rref: &RRefId) -> RRefId {
    let folder = store.realization_dir(rref);
    let text = fs::read_to_string(folder.join("record")).expect("a store to damage");
    let lines = text.lines().filter(|line| !line.starts_with("dep "));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    fs::remove_file(folder.join("record")).expect("a store to damage");
    fs::write(folder.join("record"), &text).expect("a store to damage");
    let new = RRefId::new(Digest::of(text.as_bytes()).half(), rref.dref().clone());
    fs::rename(folder, store.realization_dir(&new)).expect("a store to damage");
    new
}

/// Makes of a realization one that holds what `change` leaves of its artifacts, as older versions would have published it, and
/// is sound otherwise.
pub fn by_older_rules(store: &Store, rref: &RRefId, change: impl FnOnce(&Path)) -> RRefId {
    let old = store.record(rref).expect("a record");
    let folder = store.realization_dir(rref);
    let out = folder.join("out");
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    for entry in old.manifest().entries() {
        if entry.kind == EntryKind::Dir {
            set(&out.join(&entry.path), 0o755);
        }
    }
    set(&out, 0o755);
    change(&out);
    let mut entries = Vec::new();
    for (path, (mode, bytes)) in snapshot(&out) {
        let at = out.join(&path);
        let found = at.symlink_metadata().expect("an entry");
        let executable = mode & 0o100 != 0;
        let kind = if found.is_dir() {
            set(&at, 0o555);
            EntryKind::Dir
        } else if found.is_symlink() {
            let target = String::from_utf8(bytes).expect("a target");
            EntryKind::Link { target }
        } else {
            set(&at, if executable { 0o555 } else { 0o444 });
            EntryKind::File {
                digest: Digest::of(&bytes),
                size: bytes.len() as u64,
                executable,
            }
        };
        entries.push(Entry::new(path, kind));
    }
    set(&out, 0o555);
    let (head, manifest) = (old.head(), Manifest::new(entries).expect("a manifest"));
    let record = Record::new(
        head.derivation,
        head.context.clone(),
        head.outcome,
        manifest,
    );
    let text = record.to_text();
    fs::remove_file(folder.join("record")).expect("a record");
    fs::write(folder.join("record"), &text).expect("a record");
    let new = RRefId::new(Digest::of(text.as_bytes()).half(), rref.dref().clone());
    fs::rename(folder, store.realization_dir(&new)).expect("renamed");
    new
}

/// Every path below `root`, with its mode and its bytes, its link's target or nothing.
#[must_use]
pub fn snapshot(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let data = path.symlink_metadata().expect("its data");
            let bytes = if data.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if data.is_symlink() {
                fs::read_link(&path)
                    .expect("its target")
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).expect("its bytes")
            };
            let name = path.strip_prefix(root).expect("below the root");
            found.insert(name.display().to_string(), (data.mode(), bytes));
        }
    }
    found
}

/// What is published: `snapshot` of `store-v1`.
#[must_use]
pub fn objects(store: &Store) -> BTreeMap<String, (u32, Vec<u8>)> {
    snapshot(&store.root().join("store-v1"))
}

/// Which part a child process plays.
const PART: &str = "PYLIGHTNIX_TEST_PART";
/// The folder that it plays it in.
const PLACE: &str = "PYLIGHTNIX_TEST_PLACE";

/// Runs this test program again, to play `part` in `place`. It must have an ignored test called `part_of_a_child`, that
/// asks [`part`] what to do.
#[must_use]
pub fn child(part: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    play(&mut command, part, place);
    command
}

/// As [`child`], for a user that permissions bind.
#[must_use]
pub fn child_as_nobody(part: &str, place: &Path) -> Command {
    let root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    if !root {
        return child(part, place);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().expect("this program"));
    play(&mut command, part, place);
    command
}

/// Whether this process may mount. If it may not, the test of this name is run again in a namespace where it may, and
/// the answer is that all is done.
///
/// # Panics
/// When it fails there, or when the system lets nobody but root mount.
#[must_use]
pub fn can_mount(test: &str) -> bool {
    if fs::metadata("/proc/self").expect("this process").uid() == 0 {
        return true;
    }
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().expect("this program"))
        .args([test, "--exact"])
        .status();
    let done = done.expect("`unshare`, of util-linux, for a test that mounts a file system");
    assert!(
        done.success(),
        "`{test}` mounts a file system: it failed, or this system wants root for that"
    );
    false
}

fn play(command: &mut Command, part: &str, place: &Path) {
    command
        .args([
            "part_of_a_child",
            "--exact",
            "--ignored",
            "--nocapture",
            "-q",
        ])
        .env(PART, part)
        .env(PLACE, place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
}

/// The part and place of this process, if it is a child.
#[must_use]
pub fn part() -> Option<(String, PathBuf)> {
    Some((std::env::var(PART).ok()?, std::env::var_os(PLACE)?.into()))
}

/// A running child, killed with this value.
pub struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("a child");
        let said = BufReader::new(child.stdout.take().expect("its output"));
        Running { child, said }
    }

    /// Waits until it prints a line that begins with `word`, and returns the rest of that line.
    pub fn wait_for(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("its output");
            assert!(read > 0, "the child ended before it said {word:?}");
            if let Some(rest) = line.trim_end().strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for its end, whatever that is.
    pub fn status(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("its end")
    }

    /// Kills it with no chance to clean up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets it go on: it reads a line of its input.
    pub fn go_on(&mut self) {
        use std::io::Write as _;
        writeln!(self.child.stdin.as_mut().expect("its input")).expect("a line");
    }

    /// Waits for its end, which must be a good one.
    pub fn end(&mut self) {
        assert!(self.child.wait().expect("its end").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file system of its own, gone with this value.
pub struct Mount {
    /// Where it is.
    pub at: PathBuf,
}

impl Mount {
    /// An empty one in memory, with these options of `mount`.
    #[must_use]
    pub fn new(at: &Path, options: &str) -> Mount {
        mount(["-t", "tmpfs", "-o", options, "none"].map(Path::new), at);
        Mount { at: at.to_owned() }
    }

    /// An empty one in memory whose times tick with the kernel's timer: a change within a tick does not show in them.
    #[must_use]
    pub fn with_coarse_times(at: &Path) -> Mount {
        mount(["-t", "ramfs", "none"].map(Path::new), at);
        Mount { at: at.to_owned() }
    }

    /// The folder `lower` as a layer of an image, with what is written in `upper`, an empty folder beside which there is room.
    #[must_use]
    pub fn overlay(lower: &Path, upper: &Path, at: &Path) -> Mount {
        let work = upper.with_file_name("work");
        for folder in [upper, &work] {
            fs::create_dir(folder).expect("a folder");
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.display(),
            work.display()
        );
        mount(["-t", "overlay", "-o", &layers, "none"].map(Path::new), at);
        Mount { at: at.to_owned() }
    }

    /// The folder `from` once more, where nothing can be written.
    #[must_use]
    pub fn read_only(from: &Path, at: &Path) -> Mount {
        mount([Path::new("--bind"), from], at);
        let mount_again = Mount { at: at.to_owned() };
        mount(["-o", "remount,bind,ro"].map(Path::new), at);
        mount_again
    }
}

fn mount<const N: usize>(arguments: [&Path; N], at: &Path) {
    let mounted = Command::new("mount").args(arguments).arg(at).output();
    let mounted = mounted.expect("the command `mount`");
    let said = String::from_utf8_lossy(&mounted.stderr);
    assert!(mounted.status.success(), "{said}");
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
