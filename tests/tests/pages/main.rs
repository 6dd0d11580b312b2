//! The pages of a store: what they show, who may read them, and how they follow a run.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

mod browser;
mod guarded;
mod hostile;
mod live;
mod shown;
mod site;

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
use std::fs;
use std::process::Command;
use tests::pages::Served;

const STORE: &str = env!("CARGO_BIN_EXE_store-cli");

/// Serves a store by the program for any store.
fn serve(store: &Store) -> Served {
    let mut command = Command::new(STORE);
    command
        .args(["serve", "--address", "127.0.0.1:0", "--store"])
        .arg(store.root());
    Served::start(command)
}

/// Publishes files with a log.
fn publish(
    store: &Store,
    config: &str,
    on: &[&RRefId],
    files: &[(&str, &[u8])],
    log: &str,
) -> RRefId {
    let mut draft = store.plumbing().draft().unwrap();
    for (path, bytes) in files {
        let path = draft.out().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(draft.log(), log).unwrap();
    let config = ConfigJson::from_json(config).unwrap();
    let context: Context = on.iter().map(|rref| (*rref).clone()).collect();
    let build = BuildRecord::now(BuildKind::Build);
    draft
        .publish(&config, &context, Outcome::Ok, &build)
        .unwrap()
        .id
}
