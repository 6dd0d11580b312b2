//! Records and configs: an accepted text is written as the same bytes, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pylightnix::config::ConfigJson;
use pylightnix::store::Record;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(record) = Record::parse(text)
    {
        assert_eq!(record.to_text(), text);
    }
    if let Ok(config) = ConfigJson::from_canonical(data) {
        assert_eq!(config.text().as_bytes(), data);
        let again = ConfigJson::from_json(config.text()).expect("what is canonical is JSON");
        assert_eq!(again.id(), config.id());
    }
});
