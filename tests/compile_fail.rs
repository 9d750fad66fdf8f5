//! What the derive macros and the barriers refuse, and that the compiler's message says why, by
//! field name.

#[test]
fn refusals_name_the_field_and_what_is_allowed() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
