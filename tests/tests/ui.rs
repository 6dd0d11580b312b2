//! What does not compile, and what the compiler says of it: one mistake and one error a file.

/// All at once: trybuild compiles cases in one go when none of them has to run.
#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    for area in ["config", "stage", "lens", "matcher", "plan"] {
        cases.compile_fail(format!("tests/ui/{area}/fail/*.rs"));
    }
}

#[test]
fn what_compiles() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}
