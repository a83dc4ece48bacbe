//! Numbers that whoever runs a test gives it.

/// The number in this variable, if it is set.
///
/// # Panics
/// When it is set to something else.
pub(crate) fn number(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo test has no other way to hand a value to a test"
    )]
    let given = std::env::var(name);
    given.ok().map(|number| number.parse().unwrap())
}
