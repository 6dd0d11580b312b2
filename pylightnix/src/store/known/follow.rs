//! Following a log while it is written.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};

use crate::store::disk::layout::LOG;
use crate::store::known::running::RunningBuild;
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::{Error, Result};

/// Polling interval.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A reader of the log of a running build, from [`RunningBuild::follow`]. Blocks at the end of the log until the build has
/// ended, and continues with the logs of further attempts. Reads the log to its end even if the build's folder is renamed or
/// removed.
#[derive(Debug)]
pub struct FollowLog {
    build: RunningBuild,
    /// The build's folder, kept open because it may be renamed.
    folder: OwnedFd,
    log: Option<File>,
}

impl FollowLog {
    pub(in crate::store) fn of(build: &RunningBuild) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &build.folder, flags, Mode::empty())
            .map_err(|errno| Error::io("open the folder", &build.folder, errno.into()))?;
        Ok(FollowLog {
            build: build.clone(),
            folder,
            log: None,
        })
    }

    /// Switches to the next attempt of the run, if there is one.
    fn switch_to_next_attempt(&mut self) -> bool {
        let Some(next) = self.build.next_try() else {
            return false;
        };
        match FollowLog::of(&next) {
            // Keep reading the log that is already open.
            Ok(following) => {
                let log = self.log.take();
                *self = FollowLog { log, ..following };
                true
            }
            Err(_) => false,
        }
    }

    /// Opens the log if it exists; with `published`, also looks for its published name.
    fn open(&mut self, published: bool) {
        if self.log.is_some() {
            return;
        }
        let name = match published {
            true => self.published_log(),
            false => Some(LOG.to_owned()),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = name.and_then(|name| openat(&self.folder, name, flags, Mode::empty()).ok());
        self.log = opened.map(File::from);
    }

    fn published_log(&self) -> Option<String> {
        let mut entries = Dir::read_from(&self.folder).ok()?;
        entries.find_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let kind = BuildRecord::kind_of(name.to_bytes())?;
            matches!(kind, BuildFile::Log(_)).then(|| name.to_string_lossy().into_owned())
        })
    }
}

impl Read for FollowLog {
    /// Blocks until there is output. Returns 0 after the build has ended.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            // Checked before reading, so that all output from before the end is seen.
            let is_running = self.build.is_running();
            self.open(false);
            if !is_running {
                self.open(true);
            }
            if let Some(log) = &mut self.log {
                let read = log.read(to)?;
                if read > 0 || to.is_empty() {
                    return Ok(read);
                }
            }
            if is_running {
                thread::sleep(POLL_INTERVAL);
            } else if !self.switch_to_next_attempt() {
                return Ok(0);
            }
        }
    }
}
