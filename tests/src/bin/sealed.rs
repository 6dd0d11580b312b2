//! An experiment whose sealed stages try what they may not, for tests of sealed stages.

use pylightnix::prelude::*;
use pylightnix_cli::App;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::thread;
use tests::forbidden::{attempt, pool};

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
    let got = attempt(&b.how, &b.at, || Ok(b.scratch()?.to_owned()))?;
    Ok(TriesOutputs {
        got: b.got.save(&got)?,
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
