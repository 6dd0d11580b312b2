//! What the programs of this example share: one command line.

use pylightnix::plan::Target;
use pylightnix::prelude::*;

/// Does what the command line says with a target: `plan`, `run` or `accept`.
///
/// # Errors
/// Whatever fails; also an unknown word.
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
