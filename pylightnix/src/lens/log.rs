//! The log of one build.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use once_cell::sync::OnceCell;

/// The log of one build. Write to it with `writeln!(b.log(), ..)`, from any thread; the file is made at the first byte.
#[derive(Clone)]
pub struct BuildLog(Arc<LogFile>);

struct LogFile {
    path: PathBuf,
    file: OnceCell<File>,
}

impl BuildLog {
    pub(crate) fn at(path: &Path) -> Self {
        BuildLog(Arc::new(LogFile {
            path: path.to_owned(),
            file: OnceCell::new(),
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn file(&self) -> io::Result<&File> {
        let LogFile { path, file } = &*self.0;
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
