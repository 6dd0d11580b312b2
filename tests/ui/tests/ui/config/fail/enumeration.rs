use pylightnix::prelude::*;

#[derive(Config)]
enum Case {
    One,
}

#[stage]
fn case(_: &Build<Case>) -> Result<()> {
    Ok(())
}

fn main() {}
