//! The quick start of the Pylightnix paper.

mod function;
mod minimise;
mod picture;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let params = [2., 3., 7., 8., 9., 10., 44., -1., 2., 26., 1., -2., 0.5];
    let seed = match std::env::args().nth(1) {
        Some(seed) => seed.parse()?,
        None => minimise::fresh_seed()?,
    };
    let run = minimise::minimise(&params, 500, seed)?;
    let path = std::env::temp_dir().join("annealing.png");
    picture::draw(&path, &params, run.xs.view(), run.fs.view())
}
