//! The options of the command line.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pylightnix::prelude::Result;

use crate::table::Table;

/// The words of the command line.
pub(crate) struct Options {
    /// The benchmarks to run.
    pub(crate) names: Vec<String>,
    /// The folder for stores; by default beside this program.
    dir: Option<PathBuf>,
    /// The folder that contains all stores of this run.
    all: OnceCell<tempfile::TempDir>,
    csv: Option<PathBuf>,
    table: Option<PathBuf>,
    rounds: Option<usize>,
    keep: bool,
    only: Option<String>,
}

/// The free memory, in bytes, that is required for stores in memory.
const WANTED: u64 = 8 << 30;

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Options {
            names: Vec::new(),
            dir: None,
            all: OnceCell::new(),
            csv: None,
            table: None,
            rounds: None,
            keep: false,
            only: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} takes a value"));
            match *arg {
                "--dir" => options.dir = Some(value()?.into()),
                "--csv" => options.csv = Some(value()?.into()),
                "--table" => options.table = Some(value()?.into()),
                "--rounds" => options.rounds = Some(value()?.parse()?),
                "--only" => options.only = Some((*value()?).to_owned()),
                "--keep" => options.keep = true,
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// Returns the number of measurements: `usual`, unless an option sets it.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// Returns whether the part with this name is selected.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    /// A folder for stores. Stores that are done with stay in it until the program ends: after a mass of removals ext4
    /// passes over the inodes that were freed lately, and making files is slow for minutes.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        let all = match self.all.get() {
            Some(all) => all,
            None => {
                let program = std::env::current_exe()?;
                let beside = program.parent().unwrap_or(Path::new("."));
                let dir = self.dir.as_deref().unwrap_or(beside);
                fs::create_dir_all(dir)?;
                let mut all = tempfile::Builder::new().prefix("bench-").tempdir_in(dir)?;
                all.disable_cleanup(self.keep);
                self.all.get_or_init(|| all)
            }
        };
        let mut folder = tempfile::tempdir_in(all)?;
        folder.disable_cleanup(true);
        Ok(folder)
    }

    /// Returns a temporary folder in memory, with a remark for the table. It is for benchmarks whose deletions of files would take
    /// minutes on a disk. Returns an ordinary folder if there is too little memory, or if `--dir` is given.
    pub(crate) fn folder_in_memory(&self) -> Result<(tempfile::TempDir, &'static str)> {
        let memory = Path::new("/dev/shm");
        let room = rustix::fs::statvfs(memory).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
        match self.dir {
            None if room >= WANTED => {
                let folder = tempfile::Builder::new()
                    .prefix("bench-")
                    .tempdir_in(memory)?;
                Ok((folder, ", in memory"))
            }
            _ => Ok((self.folder()?, "")),
        }
    }

    /// Writes the table to the file of `--table`.
    pub(crate) fn write(&self, table: &Table) -> Result<()> {
        match &self.table {
            Some(path) => Ok(fs::write(path, table.to_string())?),
            None => Ok(()),
        }
    }

    /// Appends a line for each time to the file of `--csv`.
    pub(crate) fn record(
        &self,
        benchmark: &str,
        what: &str,
        who: &str,
        times: &[Duration],
    ) -> Result<()> {
        let Some(path) = &self.csv else {
            return Ok(());
        };
        let mut file = File::options().append(true).create(true).open(path)?;
        if file.metadata()?.len() == 0 {
            writeln!(file, "benchmark,what,who,round,seconds")?;
        }
        for (round, time) in times.iter().enumerate() {
            let seconds = time.as_secs_f64();
            writeln!(file, "{benchmark},{what},{who},{round},{seconds:.9}")?;
        }
        Ok(())
    }
}
