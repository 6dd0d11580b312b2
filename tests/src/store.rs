//! Small stores, and child processes that use them.

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

/// Creates a temporary folder that every user can read.
#[must_use]
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("its mode");
    folder
}

/// Creates a store in a temporary folder.
#[must_use]
pub fn store() -> (TempDir, Store) {
    let folder = folder();
    let store = Store::open(folder.path().join("store")).expect("a new store");
    (folder, store)
}

/// Creates a config with only a name.
#[must_use]
pub fn config(name: &str) -> ConfigJson {
    ConfigJson::from_json(&format!("{{\n    \"name\": \"{name}\"\n}}")).expect("a config")
}

/// Creates a config with a name and one dependency.
#[must_use]
pub fn config_on(name: &str, on: &ConfigJson) -> ConfigJson {
    let text = format!(
        "{{\n    \"name\": \"{name}\",\n    \"on\": \"{}\"\n}}",
        on.id()
    );
    ConfigJson::from_json(&text).expect("a config")
}

/// Creates a record of a build that ended just now.
#[must_use]
pub fn built() -> BuildRecord {
    BuildRecord::now(BuildKind::Build)
}

/// Publishes a draft of a derivation without dependencies.
///
/// # Errors
/// Those of [`Draft::publish`].
pub fn publish(draft: &mut Draft, config: &ConfigJson) -> pylightnix::Result<Published> {
    draft.publish(config, &Context::empty(), Outcome::Ok, &built())
}

/// Publishes files with these texts.
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

/// Copies a store, so that no living process, including this one, uses the copy.
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

/// Replaces a realization by one whose record lacks the context and is valid otherwise.
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

/// Replaces a realization by one whose artifacts are changed by `change`, as an older version could have published it; it is
/// valid otherwise.
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

/// Returns every path below `root` with its mode, and with its content or its link target.
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

/// Returns the `snapshot` of `store-v1`: all published objects, without the notes from which remote a store took them.
#[must_use]
pub fn objects(store: &Store) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut objects = snapshot(&store.root().join("store-v1"));
    objects.retain(|path, _| path.contains("/out/") || !path.ends_with("/remote"));
    objects
}

/// The environment variable with the part that a child process plays.
const PART: &str = "PYLIGHTNIX_TEST_PART";
/// The environment variable with the folder of the child process.
const PLACE: &str = "PYLIGHTNIX_TEST_PLACE";

/// Returns a command that runs this test program again, to play `part` in `place`. The program must have an ignored test
/// `part_of_a_child`, which calls [`part`] to find out what to do.
#[must_use]
pub fn child(part: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    play(&mut command, part, place);
    command
}

/// As [`child`], as a user without root permissions.
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

/// Returns whether this process may mount file systems. If it may not, runs the test with this name again in a namespace
/// where it may, and returns `false`: the caller then has nothing left to do.
///
/// # Panics
/// Panics if the test fails there, or if the system lets only root create such namespaces.
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

/// Returns the part and the folder of this process if it is a child.
#[must_use]
pub fn part() -> Option<(String, PathBuf)> {
    Some((std::env::var(PART).ok()?, std::env::var_os(PLACE)?.into()))
}

/// A running child process, killed on drop.
pub struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    /// Starts the child.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("a child");
        let said = BufReader::new(child.stdout.take().expect("its output"));
        Running { child, said }
    }

    /// Waits until the child prints a line that begins with `word`, and returns the rest of that line.
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

    /// Sends a signal, given by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for the end of the child, and returns its status.
    pub fn status(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("its end")
    }

    /// Kills the child, which has no chance to clean up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Releases the child, which waits for a line on its standard input.
    pub fn go_on(&mut self) {
        use std::io::Write as _;
        writeln!(self.child.stdin.as_mut().expect("its input")).expect("a line");
    }

    /// Waits for the end of the child, which must succeed.
    pub fn end(&mut self) {
        assert!(self.child.wait().expect("its end").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A mounted file system, unmounted on drop.
pub struct Mount {
    /// The mount point.
    pub at: PathBuf,
}

impl Mount {
    /// Mounts an empty tmpfs with these options.
    #[must_use]
    pub fn new(at: &Path, options: &str) -> Mount {
        mount(["-t", "tmpfs", "-o", options, "none"].map(Path::new), at);
        Mount { at: at.to_owned() }
    }

    /// Mounts an empty file system in memory with coarse times: a change within a tick of the kernel's timer does not change
    /// them.
    #[must_use]
    pub fn with_coarse_times(at: &Path) -> Mount {
        mount(["-t", "ramfs", "none"].map(Path::new), at);
        Mount { at: at.to_owned() }
    }

    /// Mounts an overlay with the folder `lower` as the read-only layer of an image, and with `upper`, an empty folder, for
    /// changes; there must be space for a work folder beside `upper`.
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

    /// Mounts the folder `from` a second time, read-only.
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
