//! The log of one build.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::OnceCell;

use crate::store::{SERIES, series_line};
use crate::{Error, Result};

/// The log of one build. Write to it with `writeln!(b.log(), ..)`, from any thread. The file is created by the first write.
#[derive(Clone)]
pub struct BuildLog(Arc<LogFile>);

struct LogFile {
    path: PathBuf,
    file: OnceCell<File>,
    /// The file of the series beside the log.
    series: OnceCell<File>,
    /// Whether the log reports the panic of the stage already.
    panic_is_reported: AtomicBool,
}

impl BuildLog {
    pub(crate) fn at(path: &Path) -> Self {
        BuildLog(Arc::new(LogFile {
            path: path.to_owned(),
            file: OnceCell::new(),
            series: OnceCell::new(),
            panic_is_reported: AtomicBool::new(false),
        }))
    }

    /// Writes `text` about a panic of the stage, unless the log reports the panic already.
    pub(crate) fn write_panic(&self, text: &str) {
        if !self.0.panic_is_reported.load(Ordering::Relaxed) {
            // Errors, such as a full disk, are reported with the failure of the stage.
            let _ = writeln!(&mut &*self, "{text}");
        }
    }

    /// Notes that the log reports the panic and its place.
    #[cfg(feature = "tracing")]
    pub(crate) fn note_panic(&self) {
        self.0.panic_is_reported.store(true, Ordering::Relaxed);
    }

    /// Appends a number to a series of this build. Written at once and by one call, so that threads and readers see whole lines.
    pub(super) fn record(&self, name: &str, step: u64, value: f64) -> Result<()> {
        let path = self.0.path.with_file_name(SERIES);
        let open = || OpenOptions::new().append(true).create(true).open(&path);
        let append = || {
            let mut file = self.0.series.get_or_try_init(open)?;
            file.write_all(series_line(name, step, value).as_bytes())
        };
        append().map_err(|error| Error::io("write", &path, error))
    }

    /// Whether anything was recorded.
    pub(crate) fn has_series(&self) -> bool {
        self.0.series.get().is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn file(&self) -> io::Result<&File> {
        let LogFile { path, file, .. } = &*self.0;
        // O_APPEND makes each write atomic with respect to other writers, such as child processes.
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
        // One write for each call, so that lines of several threads do not mix.
        self.write_all(args.to_string().as_bytes())
    }
}

impl fmt::Debug for BuildLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildLog({:?})", self.0.path)
    }
}
