//! The picture of a terminal in the README: a session with this program, in colour.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::path::Path;

use tests::picture::Session;

#[test]
fn the_readme_shows_what_a_terminal_shows() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new("descents", env!("CARGO_BIN_EXE_descents"), folder.path());
    session
        .enter("plan")
        .enter("run")
        .enter("compare descent --columns rate,least,heights --sort least")
        .enter("plan --steps 12")
        .enter("graph");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("shown/terminal.svg");
    session.shows(&picture);
}
