//! A program with two stages of the same name in one crate is refused; the error names both places.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use pylightnix::ErrorKind;
use pylightnix::prelude::*;
use tests::runs::assert_says;

#[derive(Config)]
struct First {}

const BEFORE_FIRST: u32 = line!();
#[stage(name = "twin")]
fn first(_: &Build<First>) -> Result<()> {
    Ok(())
}

#[derive(Config)]
struct Second {}

const BEFORE_SECOND: u32 = line!();
#[stage(name = "twin")]
fn second(_: &Build<Second>) -> Result<()> {
    Ok(())
}

/// Its name is unique, but the program is refused as a whole.
#[derive(Config)]
struct Third {}

#[stage]
fn third(_: &Build<Third>) -> Result<()> {
    Ok(())
}

#[test]
fn two_stages_of_one_name() {
    let errors = [
        instantiate(First::new()).unwrap_err(),
        instantiate(Second::new()).unwrap_err(),
        instantiate(Third::new()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Plan);
        let first = format!("plan_namesakes.rs:{}", BEFORE_FIRST + 1);
        let second = format!("plan_namesakes.rs:{}", BEFORE_SECOND + 1);
        assert_says(&error, &["two stages are named `twin`", &first, &second]);
        assert_says(
            &error,
            &["help: give one of them another name: `#[stage(name = \"..\")]`"],
        );
    }
}
