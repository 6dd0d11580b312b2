use pylightnix::prelude::*;

#[derive(Config)]
struct Case {}

#[stage(uses(helper))]
fn case(_: &Build<Case>) -> Result<()> {
    helper();
    Ok(())
}

#[track(crate = pylight)]
fn helper() {}

fn main() {}
