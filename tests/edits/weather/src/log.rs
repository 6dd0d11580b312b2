//! What a person sees while stages run.

/// Prints a line.
pub fn note(text: &str) {
    eprintln!("{text}");
}
