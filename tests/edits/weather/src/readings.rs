//! What was measured.

use pylightnix::prelude::*;

use crate::table::{Table, parse};

/// The measurements of all stations, as they were delivered.
#[derive(Config)]
pub struct Readings {
    #[selfref("table.json")]
    pub table: SelfRef<Json<Table>>,
    #[selfref("log.txt")]
    pub log: SelfRef<Text>,
}

#[stage(uses("data/readings/*.csv"))]
fn readings(b: &Build<Readings>) -> Result<ReadingsOutputs> {
    let mut table = Table::new();
    let texts = deliveries()?;
    for line in texts.iter().flat_map(|text| text.lines()) {
        table.extend(parse(line));
    }
    let log = format!("{} files\n", texts.len());
    Ok(ReadingsOutputs {
        table: b.table.save(&table)?,
        log: b.log.save(&log)?,
    })
}

/// The texts of the files, in the order of their names.
fn deliveries() -> std::io::Result<Vec<String>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/readings");
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(std::fs::read_to_string).collect()
}
