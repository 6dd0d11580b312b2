//! The command line shared by the programs of this example.

use pylightnix::plan::Target;
use pylightnix::prelude::*;

/// Runs the command on the command line for a target: `plan`, `run` or `accept`.
///
/// # Errors
/// The error of the command; or an unknown command.
// ANCHOR: command
pub fn command(target: &impl Target) -> Result<()> {
    let store = Store::open("_store")?;
    match std::env::args().nth(1).as_deref() {
        Some("plan") => println!("{}", store.plan(target)?),
        Some("run") => println!("{}", Realize::new(&store).run_reporting(target)?.1),
        Some("accept") => {
            for rref in store.accept_all(target)? {
                println!("accepted {rref}");
            }
        }
        _ => return Err("say `plan`, `run` or `accept`".into()),
    }
    Ok(())
}
// ANCHOR_END: command
