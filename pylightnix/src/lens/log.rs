//! The log of one build.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::OnceCell;

/// The log of one build. Write to it with `writeln!(b.log(), ..)`, from any thread; the file is made at the first byte.
#[derive(Clone)]
pub struct BuildLog(Arc<LogFile>);

struct LogFile {
    path: PathBuf,
    file: OnceCell<File>,
    /// Whether it says already that the stage panicked.
    panic_told: AtomicBool,
}

impl BuildLog {
    pub(crate) fn at(path: &Path) -> Self {
        BuildLog(Arc::new(LogFile {
            path: path.to_owned(),
            file: OnceCell::new(),
            panic_told: AtomicBool::new(false),
        }))
    }

    /// Says that the stage panicked, unless the log says so already.
    pub(crate) fn tell_panic(&self, text: &str) {
        if !self.0.panic_told.load(Ordering::Relaxed) {
            // Of a disk that is full, the failure tells.
            let _ = writeln!(&mut &*self, "{text}");
        }
    }

    /// The log says that the stage panicked, and where.
    #[cfg(feature = "tracing")]
    pub(crate) fn panic_is_told(&self) {
        self.0.panic_told.store(true, Ordering::Relaxed);
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn file(&self) -> io::Result<&File> {
        let LogFile { path, file, .. } = &*self.0;
        // Appending makes each write one whole piece, whoever else writes.
        file.get_or_try_init(|| OpenOptions::new().append(true).create(true).open(path))
    }
}

impl Write for &BuildLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
        // One line is one write, so that lines of several threads do not mix.
        self.write_all(args.to_string().as_bytes())
    }
}

impl fmt::Debug for BuildLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildLog({:?})", self.0.path)
    }
}
