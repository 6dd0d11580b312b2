use pylightnix::prelude::*;

mod stages {
    use super::*;

    #[derive(Config)]
    pub struct Case {
        threads: usize,
    }
}

fn case(b: &Build<stages::Case>) {
    let _ = b.threads;
}

fn main() {}
