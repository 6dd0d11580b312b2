//! Files outside of the store that are written: what is there is looked at first.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::{self, File, Metadata};
use std::io::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::{Error, ErrorKind, Result};

/// So many links may lead on to each other, as the system has it.
const LINKS: usize = 40;
/// For so long a pipe may be without a reader.
const READER: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// Where something is to be written.
#[derive(Debug)]
pub enum Target {
    /// A file that is not there yet, or may be replaced. It is what a link leads to, so that the link stays.
    File(PathBuf),
    /// Standard output, a pipe or a device.
    Stream(File),
}

impl Target {
    /// Looks at `path`, and refuses what is there unless it is empty, or `is_ours` says that it may be replaced: it is told
    /// how the file begins, by as many bytes as are `asked`. `what` is that which it should be.
    pub fn look(
        path: &Path,
        what: &str,
        asked: u64,
        is_ours: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Self> {
        let found = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Target::File(followed(path)?));
            }
            found => found.map_err(|error| Error::io("look at", path, error))?,
        };
        if let Some(output) = standard_output(&found) {
            return stream(output, path);
        }
        let kind = found.file_type();
        if kind.is_fifo() {
            return Ok(Target::Stream(pipe(path)?));
        }
        if kind.is_char_device() {
            let device = File::options().write(true).open(path);
            return stream(
                device.map_err(|error| Error::io("open", path, error))?,
                path,
            );
        }
        if !kind.is_file() {
            return Err(refused(path, "no file"));
        }
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(asked).read_to_end(&mut start))
            .map_err(|error| Error::io("read", path, error))?;
        match start.is_empty() || is_ours(&start) {
            true => Ok(Target::File(followed(path)?)),
            false => Err(refused(path, &format!("no {what}"))),
        }
    }

    /// Writes all of it: a file is there as a whole, or as it was.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Target::Stream(mut stream) => stream
                .write_all(bytes)
                .map_err(|error| Error::io("write to", Path::new("the stream"), error)),
            Target::File(path) => {
                let beside = beside(&path);
                let done = File::create_new(&beside)
                    .and_then(|mut file| file.write_all(bytes))
                    .and_then(|()| fs::rename(&beside, &path));
                done.map_err(|error| {
                    let _ = fs::remove_file(&beside);
                    Error::io("write", &path, error)
                })
            }
        }
    }
}

/// A free name in the same folder.
pub(crate) fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", Uuid::now_v7()))
}

/// What `path` leads to, be it there or not.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                path = folder.join(target);
            }
            Err(_) => return Ok(path),
        }
    }
    let error = io::Error::from(rustix::io::Errno::LOOP);
    Err(Error::io("follow the link", &path, error))
}

/// Standard output, if that is what was found by another name.
fn standard_output(found: &Metadata) -> Option<File> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let it = output.metadata().ok()?;
    ((it.dev(), it.ino()) == (found.dev(), found.ino())).then_some(output)
}

fn stream(stream: File, path: &Path) -> Result<Target> {
    match stream.is_terminal() {
        true => Err(refused(path, "a terminal")),
        false => Ok(Target::Stream(stream)),
    }
}

/// A pipe for writing; somebody has to read from it soon.
fn pipe(path: &Path) -> Result<File> {
    let refuse = |error: io::Error| Error::io("open", path, error);
    let since = Instant::now();
    loop {
        let opened = File::options()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        match opened {
            Ok(pipe) => {
                let flags = fcntl_getfl(&pipe).map_err(|errno| refuse(errno.into()))?;
                fcntl_setfl(&pipe, flags - OFlags::NONBLOCK)
                    .map_err(|errno| refuse(errno.into()))?;
                return Ok(pipe);
            }
            // Nobody reads.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if since.elapsed() > READER {
                    return Err(refused(path, "no file, but a pipe that nobody reads"));
                }
                sleep(LOOK);
            }
            Err(error) => return Err(refuse(error)),
        }
    }
}

fn refused(path: &Path, what: &str) -> Error {
    let message = format!(
        "{} is there, and is {what}: nothing was written",
        path.display()
    );
    Error::new(ErrorKind::Io, message)
        .at(path)
        .help("give what is written another name, or remove what is there")
}
