//! Watches what sealed processes open, so that an error can name what was refused. It refuses nothing itself: Landlock does.
//!
//! The sealed process gets a filter that asks a listener before each call that opens a file, and gives the listener to its run. A
//! thread of the run notes the path if the sandbox has no place for it, and lets the call go on.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, getpgid};

use super::super::Sandbox;
use super::super::explain::Refused;
use super::system;
use crate::store::Store;

/// The number of paths that are noted.
const MOST: usize = 100;

/// The length of the longest path.
const PATH_MAX: usize = 4096;

/// What Landlock keeps from processes outside of a sandbox, in their folders under `/proc`.
const OF_PROCESSES: [&str; 9] = [
    "auxv", "environ", "io", "maps", "mem", "pagemap", "smaps", "stack", "syscall",
];

/// Has a command give its process no descriptor but the standard ones.
pub(in super::super) fn close_others(command: &mut Command) {
    calls::close_others(command);
}

/// Has this thread, and all that it starts, ask the listener that is returned before it opens a file.
pub(super) fn listen() -> io::Result<OwnedFd> {
    calls::listen()
}

/// A thread that watches what sealed processes open.
pub(in crate::realize::processes) struct Watch {
    refused: Arc<Mutex<Vec<Refused>>>,
    /// Ends the thread when it is closed.
    _end: UnixStream,
}

impl Watch {
    /// Begins to watch the processes of a listener.
    pub(in crate::realize::processes) fn begin(
        listener: OwnedFd,
        sandbox: &Sandbox,
        store: &Store,
        group: Pid,
    ) -> io::Result<Self> {
        let (end, ended) = UnixStream::pair()?;
        let refused = Arc::new(Mutex::default());
        let watcher = Watcher {
            allowed: Allowed::new(sandbox, store, group),
            refused: Arc::clone(&refused),
            memory: Memory::default(),
        };
        thread::Builder::new()
            .name("opens".to_owned())
            .spawn(move || watcher.watch(&listener, &ended))?;
        Ok(Watch { refused, _end: end })
    }

    /// Returns what was refused so far, each path once, as it was asked for.
    pub(in crate::realize::processes) fn refused(&self) -> Vec<Refused> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Watcher {
    allowed: Allowed,
    refused: Arc<Mutex<Vec<Refused>>>,
    memory: Memory,
}

/// The memory of the process that asked last: most ask many times.
#[derive(Default)]
struct Memory(Option<(u32, File)>);

impl Memory {
    /// Reads the text that ends with a zero byte at an address of a process, which waits meanwhile.
    fn text(&mut self, process: u32, at: u64) -> Option<Vec<u8>> {
        let is_it = |known: &(u32, File)| known.0 == process;
        if let Some(read) = self
            .0
            .as_ref()
            .filter(|known| is_it(known))
            .and_then(|(_, memory)| text_of(memory, at))
        {
            return Some(read);
        }
        // Another process, perhaps with the number of one that is gone, or one that runs another program since.
        let memory = File::open(format!("/proc/{process}/mem")).ok()?;
        let read = text_of(&memory, at);
        self.0 = Some((process, memory));
        read
    }
}

fn text_of(memory: &File, at: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; PATH_MAX];
    // Less is read if the memory after the text is not mapped.
    let count = memory.read_at(&mut bytes, at).ok()?;
    let end = bytes[..count].iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    Some(bytes)
}

impl Watcher {
    fn watch(mut self, listener: &OwnedFd, ended: &UnixStream) {
        loop {
            let mut waits = [
                PollFd::new(listener, PollFlags::IN),
                PollFd::new(ended, PollFlags::IN),
            ];
            match poll(&mut waits, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let [asked, ended] = waits.map(|wait| wait.revents());
            if !ended.is_empty() || !asked.contains(PollFlags::IN) {
                return;
            }
            // An error says that the process that asked is gone.
            if let Ok(call) = calls::receive(listener) {
                if let Some(opens) = Opens::of(&call) {
                    self.note(&opens);
                }
                let _ = calls::go_on(listener, call.id);
            }
        }
    }

    fn note(&mut self, opens: &Opens) {
        let Some(path) = opens.absolute_path(&mut self.memory) else {
            return;
        };
        if !opens.to_write && self.allowed.holds(&path) {
            return;
        }
        let Some(path) = self.allowed.refuses(&path, opens.to_write) else {
            return;
        };
        let to_write = opens.to_write;
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = Refused { path, to_write };
        if all.len() < MOST && !all.contains(&refused) {
            all.push(refused);
        }
    }
}

/// A call that opens a file.
struct Opens {
    process: u32,
    /// The descriptor of the folder that the path is relative to.
    base: libc::c_int,
    path: u64,
    to_write: bool,
}

impl Opens {
    /// Returns what a call opens; `None` for a call that gets no content.
    fn of(call: &calls::Call) -> Option<Self> {
        let argument = |at: usize| call.arguments[at];
        // Descriptors and flags are numbers of 32 bits.
        let number = |at: usize| (argument(at) & u64::from(u32::MAX)) as u32;
        let (base, at, flags) = match call.number {
            libc::SYS_openat => (number(0).cast_signed(), 1, number(2).cast_signed()),
            // Its flags are behind a pointer, and programs that read use it.
            libc::SYS_openat2 | libc::SYS_execveat => (number(0).cast_signed(), 1, libc::O_RDONLY),
            libc::SYS_execve => (libc::AT_FDCWD, 0, libc::O_RDONLY),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => (libc::AT_FDCWD, 0, number(1).cast_signed()),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => (libc::AT_FDCWD, 0, libc::O_WRONLY),
            _ => return None,
        };
        (flags & libc::O_PATH == 0).then(|| Opens {
            process: call.process,
            base,
            path: argument(at),
            to_write: flags & libc::O_ACCMODE != libc::O_RDONLY,
        })
    }

    fn absolute_path(&self, memory: &mut Memory) -> Option<PathBuf> {
        let path = PathBuf::from(OsString::from_vec(memory.text(self.process, self.path)?));
        let process = Path::new("/proc").join(self.process.to_string());
        // A process finds itself there, and its descriptors.
        for (link, to) in [("/proc/self", &*process), ("/proc/thread-self", &*process)] {
            if let Ok(rest) = path.strip_prefix(link) {
                return Some(to.join(rest));
            }
        }
        if path.is_absolute() {
            return Some(path);
        }
        let base = match self.base {
            libc::AT_FDCWD => process.join("cwd"),
            descriptor => process.join("fd").join(descriptor.to_string()),
        };
        Some(fs::read_link(base).ok()?.join(path))
    }
}

/// What a sandbox has a place for.
struct Allowed {
    /// The folders of realizations as the store names them, out of which no link leads.
    whole: HashSet<PathBuf>,
    read: HashSet<PathBuf>,
    write: HashSet<PathBuf>,
    /// The group of its processes.
    group: Pid,
}

impl Allowed {
    fn new(sandbox: &Sandbox, store: &Store, group: Pid) -> Self {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let devices = system::DEVICES.map(Path::new);
        let system = system::readable(sandbox.network).map(Path::new);
        let mut read: HashSet<_> = system.filter_map(real).collect();
        read.extend(sandbox.read.iter().filter_map(|path| real(path)));
        let write: HashSet<_> = (devices.into_iter().chain([&*sandbox.folder]))
            .filter_map(real)
            .collect();
        // All are in one folder.
        let objects = real(&store.objects_dir()).unwrap_or_default();
        let folders = sandbox.realizations.iter();
        let folders = folders.map(|rref| store.realization_dir(rref));
        read.extend(folders.clone().filter_map(|folder| {
            let mut parts = folder.components().rev();
            let (last, before) = (parts.next()?, parts.next()?);
            Some(objects.join(before).join(last))
        }));
        read.extend(real(Path::new("/proc/self/exe")));
        read.extend(write.iter().cloned());
        Allowed {
            whole: folders.collect(),
            read,
            write,
            group,
        }
    }

    /// Returns whether a path is in a realization that may be read: a look that costs no system call.
    fn holds(&self, path: &Path) -> bool {
        let goes_up = |part| part == Component::ParentDir;
        path.ancestors().any(|part| self.whole.contains(part)) && !path.components().any(goes_up)
    }

    /// Returns where a path leads if that is refused.
    fn refuses(&self, path: &Path, to_write: bool) -> Option<PathBuf> {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(_) if to_write => fs::canonicalize(path.parent()?)
                .ok()?
                .join(path.file_name()?),
            Err(_) => return None,
        };
        // The standard streams of another process, and devices that the links of a process lead to.
        if path.starts_with("/dev/fd") || path.starts_with("/dev/std") {
            return None;
        }
        let allowed = if to_write { &self.write } else { &self.read };
        if !real.ancestors().any(|part| allowed.contains(part)) || self.is_of_another(&real) {
            return Some(real);
        }
        None
    }

    /// Returns whether a path under `/proc` tells of a process that is not in the sandbox.
    fn is_of_another(&self, path: &Path) -> bool {
        let Ok(rest) = path.strip_prefix("/proc") else {
            return false;
        };
        let mut parts = rest.iter().map(|part| part.to_string_lossy());
        let (process, what) = (parts.next(), parts.next_back());
        let process = process.and_then(|process| Pid::from_raw(process.parse().ok()?));
        let (Some(process), Some(what)) = (process, what) else {
            return false;
        };
        OF_PROCESSES.contains(&&*what) && getpgid(Some(process)) != Ok(self.group)
    }
}

/// The calls that no safe crate offers.
mod calls {
    #![allow(
        unsafe_code,
        reason = "seccomp(2) and its listeners take structures by address; what runs between fork and exec is unsafe to set"
    )]

    use std::io;
    use std::mem;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    /// A call that waits for an answer.
    pub(super) struct Call {
        pub(super) id: u64,
        pub(super) process: u32,
        pub(super) number: libc::c_long,
        pub(super) arguments: [u64; 6],
    }

    /// The calls that open files.
    #[cfg(target_arch = "x86_64")]
    const CALLS: [libc::c_long; 6] = [
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_open,
        libc::SYS_creat,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const CALLS: [libc::c_long; 4] = [
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_execve,
        libc::SYS_execveat,
    ];

    /// A notification, with room for what later kernels may add to it.
    #[repr(C)]
    struct Notification {
        known: libc::seccomp_notif,
        room: [u64; 32],
    }

    pub(super) fn close_others(command: &mut Command) {
        let set = || {
            // SAFETY: the call takes integers, and touches no memory of this process.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_close_range,
                    3,
                    libc::c_uint::MAX,
                    libc::CLOSE_RANGE_CLOEXEC,
                )
            };
            match done {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        };
        // SAFETY: between fork and exec, `set` makes one system call, which is safe there: it allocates nothing and takes no lock.
        unsafe { command.pre_exec(set) };
    }

    pub(super) fn listen() -> io::Result<OwnedFd> {
        let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        let end = (libc::BPF_RET | libc::BPF_K) as u16;
        let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let number_at = mem::offset_of!(libc::seccomp_data, nr) as u32;
        let mut lines = vec![line(load, 0, 0, number_at)];
        for (at, call) in CALLS.iter().enumerate() {
            let to_ask = (CALLS.len() - at) as u8;
            lines.push(line(equal, to_ask, 0, *call as u32));
        }
        lines.push(line(end, 0, 0, libc::SECCOMP_RET_ALLOW));
        lines.push(line(end, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
        let program = libc::sock_fprog {
            len: lines.len() as u16,
            filter: lines.as_mut_ptr(),
        };
        let flags =
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        // SAFETY: `program` and the lines that it points to live until the call has copied them.
        let made = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        match i32::try_from(made) {
            // SAFETY: the kernel just made this descriptor for this call, so nothing else owns it.
            Ok(made) if made >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(made) }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn receive(listener: &OwnedFd) -> io::Result<Call> {
        // SAFETY: all fields are integers, for which zeros are valid.
        let mut asked: Notification = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes its notification to the address, which has more room than that of this kernel's version needs.
        let done = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut asked,
            )
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Call {
            id: asked.known.id,
            process: asked.known.pid,
            number: asked.known.data.nr.into(),
            arguments: asked.known.data.args,
        })
    }

    pub(super) fn go_on(listener: &OwnedFd, id: u64) -> io::Result<()> {
        let mut answer = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the kernel reads the answer from the address, which is valid during the call.
        let done = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw mut answer,
            )
        };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
