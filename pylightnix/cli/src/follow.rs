//! Follows the logs of running builds.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::thread::sleep;
use std::time::Duration;

use crate::exit::{CommandResult, Exit};
use crate::out::Out;
use crate::progress::visible;
use crate::session::{Session, style};
use pylightnix::config::DRefId;
use pylightnix::internal::open_regular;
use pylightnix::store::{RunningBuild, Store};

/// The polling interval.
const EVERY: Duration = Duration::from_millis(100);

/// A followed log. The file stays open when its build is published, so that no line is lost.
struct Followed {
    dref: DRefId,
    file: File,
    /// The incomplete line at the end.
    rest: Vec<u8>,
    alive: bool,
}

/// Prints the output of running builds, until no `wanted` build runs.
pub(crate) fn follow(
    session: &Session,
    store: &Store,
    wanted: &dyn Fn(&RunningBuild) -> bool,
) -> CommandResult {
    let mut followed: HashMap<u64, Followed> = HashMap::new();
    let mut several = false;
    loop {
        let mut builds = store.running()?;
        builds.retain(|build| wanted(build));
        several |= builds.len() > 1;
        for one in followed.values_mut() {
            one.alive = false;
        }
        for build in &builds {
            // A retry that appends to the log of the failed try has the same file.
            let Ok((file, _)) = open_regular(&build.log()) else {
                continue;
            };
            let Ok(found) = file.metadata() else { continue };
            let rest = Vec::new();
            let new = || Followed {
                dref: build.dref.clone(),
                file,
                rest,
                alive: true,
            };
            followed.entry(found.ino()).or_insert_with(new).alive = true;
        }
        let mut out = session.out();
        for one in followed.values_mut() {
            one.print(session, several, &mut out)?;
        }
        out.flush()?;
        drop(out);
        followed.retain(|_, one| one.alive);
        if builds.is_empty() {
            return Ok(Exit::Done);
        }
        sleep(EVERY);
    }
}

impl Followed {
    /// Prints the new lines, and at the end of the build also an incomplete last one.
    fn print(&mut self, session: &Session, named: bool, out: &mut Out) -> CommandResult<()> {
        self.file.read_to_end(&mut self.rest)?;
        let whole = match (
            self.alive,
            self.rest.iter().rposition(|byte| *byte == b'\n'),
        ) {
            (true, Some(end)) => end + 1,
            (true, None) => return Ok(()),
            (false, _) => self.rest.len(),
        };
        for line in self.rest[..whole].split_inclusive(|byte| *byte == b'\n') {
            if named {
                write!(
                    out,
                    "{} ",
                    session.paint(style::FAINT, format_args!("{}:", self.dref.name()))
                )?;
            }
            match session.is_terminal() {
                true => {
                    let line = String::from_utf8_lossy(line);
                    let line = visible(line.trim_end_matches('\n'), session.color());
                    writeln!(out.raw(), "{line}")?;
                }
                false => out.raw().write_all(line)?,
            }
        }
        self.rest.drain(..whole);
        Ok(())
    }
}
