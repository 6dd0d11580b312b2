//! What a sealed stage may not do, for tests and campaigns of sealed stages.

#![allow(
    unsafe_code,
    reason = "one way makes a system call that no safe crate makes for it"
)]

use pylightnix::prelude::Result;
use std::fs::{self, File};
use std::io::{Error as IoError, Read as _};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

/// Has a thread read a file, which lives as long as the program and reads files for all.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn pool(path: &str) -> Result<Vec<u8>> {
    type Job = (String, Sender<std::io::Result<Vec<u8>>>);
    static POOL: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let (to, jobs) = channel::<Job>();
        thread::spawn(move || {
            for (path, back) in jobs {
                let _ = back.send(fs::read(path));
            }
        });
        Mutex::new(to)
    });
    let (back, read) = channel();
    let jobs = pool.lock().map_err(|_| "no pool")?;
    jobs.send((path.to_owned(), back))?;
    Ok(read.recv()??)
}

/// Tries something in this way, with a folder for what it needs on the way. Returns what it got.
///
/// # Errors
/// Fails if it is refused, or if there is no such way.
pub fn attempt(how: &str, at: &str, scratch: impl FnOnce() -> Result<PathBuf>) -> Result<String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(match how {
        "read" => text(fs::read(at)?),
        "swallow" => match fs::read(at) {
            Ok(bytes) => text(bytes),
            Err(error) => error.to_string(),
        },
        "relative" => {
            std::env::set_current_dir("/")?;
            text(fs::read(at.trim_start_matches('/'))?)
        }
        "list" => format!("{}", fs::read_dir(at)?.count()),
        "write" => {
            fs::write(at, "x")?;
            String::new()
        }
        "link" => {
            let link = scratch()?.join("link");
            symlink(at, &link)?;
            text(fs::read(link)?)
        }
        "hard" => {
            let link = scratch()?.join("hard");
            fs::hard_link(at, &link)?;
            text(fs::read(link)?)
        }
        "pool" => text(pool(at)?),
        "child" => {
            let said = Command::new("cat").arg(at).output()?;
            if !said.status.success() {
                return Err(text(said.stderr).into());
            }
            text(said.stdout)
        }
        "parent" => {
            let parent = rustix::process::getppid().ok_or("no parent")?;
            let path = format!("/proc/{}/{at}", parent.as_raw_nonzero());
            let mut bytes = [0; 16];
            let count = File::open(path)?.read(&mut bytes)?;
            format!("{count} bytes")
        }
        "child of parent" => {
            let parent = rustix::process::getppid().ok_or("no parent")?;
            let path = format!("/proc/{}/{at}", parent.as_raw_nonzero());
            let said = Command::new("cat").arg(path).output()?;
            if !said.status.success() {
                return Err(text(said.stderr).into());
            }
            text(said.stdout)
        }
        "device" => {
            let device = scratch()?.join("device");
            let said = Command::new("mknod")
                .arg(&device)
                .args(["b", "7", "0"])
                .output()?;
            if !said.status.success() {
                return Err(text(said.stderr).into());
            }
            "a device".to_owned()
        }
        "udp" => {
            let sent = UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", at)?;
            format!("{sent} bytes")
        }
        "tcp" => format!("{:?}", TcpStream::connect(at)?),
        "unix" => format!("{:?}", UnixStream::connect(at)?),
        "datagram" => {
            let (one, _) = UnixDatagram::pair()?;
            format!("{} bytes", one.send_to(b"x", at)?)
        }
        "ring" => {
            let mut params = [0_u8; 120];
            // SAFETY: the kernel reads and writes the 120 bytes of its `struct io_uring_params`.
            match unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) } {
                -1 => return Err(IoError::last_os_error().into()),
                ring => format!("ring {ring}"),
            }
        }
        "descriptors" => {
            let open = fs::read_dir("/proc/self/fd")?.flatten();
            let to = open.filter_map(|one| fs::read_link(one.path()).ok());
            let to: Vec<_> = to.map(|to| to.display().to_string()).collect();
            to.join("\n")
        }
        how => return Err(format!("how is {how}?").into()),
    })
}
