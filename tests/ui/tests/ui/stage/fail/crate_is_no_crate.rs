use pylightnix::prelude::*;

#[derive(Config)]
struct Case {}

#[stage(crate = pylight)]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {
    let _ = instantiate(Case::new());
}
