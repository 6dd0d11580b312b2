//! What the book shows of this example.

use shown::Example;
use tests::slurm::cluster;

const PROGRAM: &str = env!("CARGO_BIN_EXE_long-runs");

#[test]
fn the_book_shows_what_it_prints() {
    Example::of(env!("CARGO_MANIFEST_DIR"))
        .shows("program", PROGRAM, &["program"])
        .shows("sample", PROGRAM, &["sample"])
        .shows("broken", PROGRAM, &["broken"])
        .shows("tries", PROGRAM, &["tries"])
        .shows("resources", PROGRAM, &["resources"]);
}

/// Each of them in a store of its own.
#[test]
fn it_prints_the_same_wherever_its_stages_run() {
    let example = || Example::of(env!("CARGO_MANIFEST_DIR"));
    example().shows("anywhere", PROGRAM, &["anywhere", "threads"]);
    example().shows("anywhere", PROGRAM, &["anywhere", "processes"]);
    if let Some(cluster) = cluster() {
        let on_slurm = example().with("SLURM_CONF", &cluster.conf());
        on_slurm.shows("anywhere", PROGRAM, &["anywhere", "slurm"]);
        // What a job said.
        on_slurm.find("orders", ".said");
    }
}
