//! Short stages on a Slurm of four nodes with two processors each, all on this machine: how long they take, and in how many tasks. Left
//! out where no Slurm can be started.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;
use pylightnix::realize::Slurm;
use tests::slurm::cluster;

use crate::contest::contest;
use crate::measure::{child as child_of, said_text};
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of stages.
const STAGES: u64 = 1_000;

/// A stage that waits for this long, as eight of them do not have eight processors here, and writes its number.
#[derive(Config)]
struct Short {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    milliseconds: u64,
    number: u64,
}

#[stage]
fn short(b: &Build<Short>) -> Result<ShortOutputs> {
    sleep(Duration::from_millis(b.milliseconds));
    Ok(ShortOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

fn many() -> Result<Vec<DRef<Short>>> {
    let stages = (0..STAGES).map(|number| Ok(instantiate(Short::new(10, number))?));
    stages.collect()
}

/// Realizes the stages on Slurm, and prints the seconds and the number of tasks.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let [root] = args else {
        return Err("a store".into());
    };
    pylightnix::worker(|_| many())?;
    let (store, stages) = (Store::open(root)?, many()?);
    let begun = Instant::now();
    black_box(Realize::new(&store).on(Slurm::new()).run(&stages)?);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds} {}", tasks(&store.root().join(".runs"))?);
    Ok(())
}

/// Returns the number of orders of all runs.
fn tasks(runs: &Path) -> Result<usize> {
    let mut tasks = 0;
    for run in fs::read_dir(runs)? {
        for batch in fs::read_dir(run?.path().join("orders"))? {
            for file in fs::read_dir(batch?.path())? {
                let name = file?.file_name().into_string().unwrap_or_default();
                let number = name.strip_suffix(".json").map(str::parse::<usize>);
                tasks += usize::from(matches!(number, Some(Ok(_))));
            }
        }
    }
    Ok(tasks)
}

/// Measures them.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let Some(cluster) = cluster() else {
        return Ok(());
    };
    let folder = options.folder()?;
    let mut most = 0;
    let mut measured = |round: usize| {
        let root = folder.path().join(round.to_string());
        let mut command = child_of("slurm")?;
        let said = said_text(command.arg(root).env("SLURM_CONF", cluster.conf()))?;
        let (seconds, tasks) = said.split_once(' ').ok_or("no number of tasks")?;
        most = tasks.parse::<usize>()?.max(most);
        Ok(Duration::from_secs_f64(seconds.parse()?))
    };
    let what = "1,000 stages of 10 ms on Slurm, 8 slots";
    let medians = contest(options, "slurm", what, &mut [("slurm", &mut measured)])?;
    table.add(Row::cost(what, medians[0], 5.0));
    table.add(Row::count(&format!("{what}: tasks"), most, 20));
    Ok(())
}
