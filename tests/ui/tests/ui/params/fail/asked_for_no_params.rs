use pylightnix::prelude::*;

struct Settings {
    rate: f64,
}

fn experiment(run: &Run<'_>) -> Result<f64> {
    let settings: Settings = run.params()?;
    Ok(settings.rate)
}

fn main() {}
