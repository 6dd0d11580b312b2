//! The model of the processor.

use std::fs::File;
use std::io::Read as _;
use std::sync::OnceLock;

/// How much of the system's list is read: it begins with the first processor, and has one part for each.
const ENOUGH: u64 = 4096;

/// Returns the model of the processor, asked of the system once; `None` if it does not say.
pub(in crate::store) fn model() -> Option<&'static str> {
    static MODEL: OnceLock<Option<String>> = OnceLock::new();
    MODEL
        .get_or_init(|| {
            let mut text = Vec::new();
            let file = File::open("/proc/cpuinfo").ok()?;
            file.take(ENOUGH).read_to_end(&mut text).ok()?;
            named(&String::from_utf8_lossy(&text))
        })
        .as_deref()
}

/// Finds the model in the list of Linux.
fn named(text: &str) -> Option<String> {
    let model = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim())
    })?;
    Some(model.to_owned()).filter(|model| !model.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_if_it_is_there() {
        let list = "processor\t: 0\nvendor_id\t: A\nmodel\t\t: 1\nmodel name\t: A 7: fast\n";
        assert_eq!(named(list).as_deref(), Some("A 7: fast"));
        assert_eq!(named("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
    }
}
