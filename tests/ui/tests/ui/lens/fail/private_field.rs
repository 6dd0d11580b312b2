use pylightnix::prelude::*;

mod stages {
    use super::*;

    #[derive(Config)]
    pub struct Case {
        workers: usize,
    }
}

fn case(b: &Build<stages::Case>) {
    let _ = b.workers;
}

fn main() {}
