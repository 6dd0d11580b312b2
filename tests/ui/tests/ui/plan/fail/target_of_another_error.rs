use pylightnix_cli::App;
use pylightnix::prelude::*;

#[derive(Config)]
struct Params {}

#[stage]
fn params(_: &Build<Params>) -> Result<()> {
    Ok(())
}

fn main() -> std::process::ExitCode {
    App::new().target("params", |_| instantiate(Params::new())).main()
}
