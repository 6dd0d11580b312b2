//! An experiment whose sealed stages try what they may not, for tests of sealed stages.

#![allow(
    unsafe_code,
    reason = "one of its stages makes a system call that no safe crate makes for it"
)]

use pylightnix::prelude::*;
use pylightnix_cli::App;
use std::fs::{self, File};
use std::io::{Error as IoError, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

/// A thread that lives as long as the program, and reads files for others.
fn pool(path: &str) -> Result<Vec<u8>> {
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

/// Has the pool of the program read a file before any sealed stage does.
#[derive(Config)]
struct Leaf {
    #[selfref("secret.txt")]
    text: SelfRef<Text>,
    secret: String,
}

#[stage]
fn leaf(b: &Build<Leaf>) -> Result<LeafOutputs> {
    pool("/etc/passwd")?;
    Ok(LeafOutputs {
        text: b.text.save(&b.secret)?,
    })
}

/// Something between two stages.
#[derive(Config)]
struct Middle {
    #[dref]
    leaf: DRef<Leaf>,
}

#[stage]
fn middle(_: &Build<Middle>) -> Result<()> {
    Ok(())
}

/// A stage that does all that a sealed one may.
#[derive(Config)]
struct Fine {
    #[selfref("text.txt")]
    text: SelfRef<Text>,
    #[selfref("folder")]
    folder: SelfRef,
    #[dref]
    middle: DRef<Middle>,
}

#[stage(sealed, read("/etc/passwd", "/nowhere/at/all"))]
fn fine(b: &Build<Fine>) -> Result<FineOutputs> {
    println!("printed");
    let secret = b.middle.leaf.text.load()?;
    let users = fs::read_to_string("/etc/passwd")?;
    let scratch = b.scratch()?;
    fs::write(scratch.join("notes"), &secret)?;
    // A temporary file, a pipe, a child of a child, and a device.
    let script = "set -e; t=$(mktemp); sort /etc/passwd > $t; cat $t | wc -l > /dev/null; sh -c 'echo child'";
    let said = Command::new("sh").args(["-c", script]).output()?;
    if !said.status.success() || said.stdout != b"child\n" {
        return Err(format!("{said:?}").into());
    }
    // Files move between the folders of the output.
    fs::create_dir_all(b.folder.path().join("deep"))?;
    fs::rename(scratch.join("notes"), b.folder.path().join("notes"))?;
    fs::rename(
        b.folder.path().join("notes"),
        b.folder.path().join("deep/notes"),
    )?;
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"x")?;
    other.read_exact(&mut [0])?;
    let threads = thread::available_parallelism()?;
    let zone = fs::metadata("/etc/shadow").is_ok();
    println!("{threads} threads, {zone}");
    b.record("loss", 1, 0.5)?;
    Ok(FineOutputs {
        text: b
            .text
            .save(&format!("{secret}, {}", users.contains("root")))?,
        folder: b.folder.written()?,
    })
}

/// A stage that tries something. What, and where, is in variables, so that the config says it.
#[derive(Config)]
struct Tries {
    #[selfref("got.txt")]
    got: SelfRef<Text>,
    how: String,
    at: String,
    #[dref]
    leaf: Option<DRef<Leaf>>,
}

#[stage(sealed)]
fn tries(b: &Build<Tries>) -> Result<TriesOutputs> {
    let got = attempt(b)?;
    Ok(TriesOutputs {
        got: b.got.save(&got)?,
    })
}

fn attempt(b: &Build<Tries>) -> Result<String> {
    let at = b.at.as_str();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(match b.how.as_str() {
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
            let link = b.scratch()?.join("link");
            symlink(at, &link)?;
            text(fs::read(link)?)
        }
        "hard" => {
            let link = b.scratch()?.join("hard");
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
            let device = b.scratch()?.join("device");
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

/// A stage that does not say that it is sealed.
#[derive(Config)]
struct Plain {
    #[selfref("n.txt")]
    n: SelfRef<Text>,
    #[dref]
    notes: DRef<pylightnix::stages::Imported>,
}

#[stage]
fn plain(b: &Build<Plain>) -> Result<PlainOutputs> {
    let notes = fs::read_to_string(b.notes.out.path())?;
    Ok(PlainOutputs {
        n: b.n.save(&notes)?,
    })
}

/// A stage with many dependencies.
#[derive(Config)]
struct Many {
    #[dref]
    leaves: Vec<DRef<Leaf>>,
}

#[stage(sealed)]
fn many(b: &Build<Many>) -> Result<()> {
    for leaf in &b.leaves {
        leaf.text.load()?;
    }
    Ok(())
}

/// A stage with a network.
#[derive(Config)]
struct Talks {
    at: String,
}

#[stage(sealed, network)]
fn talks(b: &Build<Talks>) -> Result<()> {
    TcpStream::connect(&*b.at)?.write_all(b"hello")?;
    Ok(())
}

/// A count of the users of this machine.
#[derive(Config)]
struct Users {
    #[selfref("users.json")]
    count: SelfRef<Json<usize>>,
}

// ANCHOR: sealed
#[stage(sealed, read("/etc/passwd"))]
fn users(b: &Build<Users>) -> Result<UsersOutputs> {
    let lines = fs::read_to_string("/etc/passwd")?;
    Ok(UsersOutputs {
        count: b.count.save(&lines.lines().count())?,
    })
}
// ANCHOR_END: sealed

/// Returns a variable of the test.
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn leaves() -> Result<DRef<Leaf>> {
    Ok(instantiate(Leaf::new("a secret".to_owned()))?)
}

fn trying() -> Result<DRef<Tries>> {
    let mut tries = Tries::new(told("HOW"), told("AT"), None);
    if told("FROM_LEAF") == "1" {
        tries.leaf = Some(leaves()?);
    }
    Ok(instantiate(tries)?)
}

fn main() -> ExitCode {
    if told("EARLY_THREAD") == "1" {
        thread::spawn(|| thread::sleep(std::time::Duration::from_secs(60)));
    }
    if told("LEAVE_OPEN") == "1" && told("PYLIGHTNIX_WORKER").is_empty() {
        // Descriptors are closed in children of Rust, unless a library in C opens them.
        let file = File::open("/etc/passwd").and_then(|file| Ok(rustix::io::dup(file)?));
        std::mem::forget(file);
    }
    App::new()
        .target("fine", |_| {
            let middle = instantiate(Middle::new(leaves()?))?;
            Ok(instantiate(Fine::new(middle))?)
        })
        .target("leaf", |_| leaves())
        .target("many", |_| {
            let count: u32 = told("COUNT").parse()?;
            let leaves = (0..count).map(|at| instantiate(Leaf::new(at.to_string())));
            Ok(instantiate(Many::new(leaves.collect::<Result<_, _>>()?))?)
        })
        .target("tries", |_| trying())
        .target_with("plain", |_, run| {
            Ok(instantiate(Plain::new(run.file(told("AT"))?))?)
        })
        .target("peeking", |_| {
            let at = fs::read_to_string(told("AT"))?;
            Ok(instantiate(Tries::new("list".to_owned(), at, None))?)
        })
        .target("users", |_| Ok(instantiate(Users::new())?))
        .target("talks", |_| Ok(instantiate(Talks::new(told("AT")))?))
        .main()
}
