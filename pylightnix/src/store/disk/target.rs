//! Writing files outside of the store without overwriting foreign data.

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

/// Maximum length of a chain of symbolic links, as in the kernel.
const MAX_LINKS: usize = 40;
/// Time to wait for a named pipe to be opened for reading.
const READER_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Where something is to be written.
#[derive(Debug)]
pub enum Target {
    /// A new file, or one that may be replaced. Links are already resolved, so a link itself is not replaced.
    File(PathBuf),
    /// Standard output, a pipe or a device.
    Stream(File),
}

impl Target {
    /// Validates `path` as a destination. An existing file is accepted if it is empty, or if `is_ours` accepts its first
    /// `asked` bytes. `what` names the expected type of file in error messages.
    pub fn check(
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
            return Err(refused(path, "it is not a regular file"));
        }
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(asked).read_to_end(&mut start))
            .map_err(|error| Error::io("read", path, error))?;
        match start.is_empty() || is_ours(&start) {
            true => Ok(Target::File(followed(path)?)),
            false => Err(refused(path, &format!("it is not {what}"))),
        }
    }

    /// Writes `bytes`. A file is replaced atomically.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Target::Stream(mut stream) => stream
                .write_all(bytes)
                .map_err(|error| Error::io("write to", Path::new("the stream"), error)),
            Target::File(path) => {
                let beside = unused_sibling(&path);
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

/// Returns an unused path in the same folder.
pub(crate) fn unused_sibling(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", Uuid::now_v7()))
}

/// Resolves symbolic links, even to a target that does not exist.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
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

/// Returns standard output if `found` is the same file under another name.
fn standard_output(found: &Metadata) -> Option<File> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    let it = output.metadata().ok()?;
    ((it.dev(), it.ino()) == (found.dev(), found.ino())).then_some(output)
}

fn stream(stream: File, path: &Path) -> Result<Target> {
    match stream.is_terminal() {
        true => Err(refused(path, "it is a terminal")),
        false => Ok(Target::Stream(stream)),
    }
}

/// Opens a named pipe for writing. Fails if it has no reader after [`READER_TIMEOUT`].
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
            // `ENXIO`: the pipe has no reader yet.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if since.elapsed() > READER_TIMEOUT {
                    return Err(refused(path, "it is a pipe that no process reads"));
                }
                sleep(POLL_INTERVAL);
            }
            Err(error) => return Err(refuse(error)),
        }
    }
}

fn refused(path: &Path, what: &str) -> Error {
    let message = format!("{} exists, and {what}: nothing was written", path.display());
    Error::new(ErrorKind::Io, message)
        .at(path)
        .with_help("choose another path for the output, or remove the existing file")
}
