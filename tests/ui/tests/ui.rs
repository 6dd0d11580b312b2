//! Code that does not compile, and the messages of the compiler: one mistake and one error per file.

/// All at once: trybuild compiles all cases together if none of them has to run.
#[test]
fn what_does_not_compile_is_told() {
    let cases = trybuild::TestCases::new();
    for area in ["config", "stage", "lens", "matcher", "params", "plan"] {
        cases.compile_fail(format!("tests/ui/{area}/fail/*.rs"));
    }
}

#[test]
fn what_compiles() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}
