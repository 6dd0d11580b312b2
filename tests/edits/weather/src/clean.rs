//! What can be true.

use pylightnix::prelude::*;
use pylightnix::stages::Given;

use crate::readings::Readings;
use crate::table::{Row, Table};

/// The measurements of known stations that can be true.
#[derive(Config)]
pub struct Clean {
    #[selfref("table.json")]
    pub table: SelfRef<Json<Table>>,
    #[selfref("log.txt")]
    pub log: SelfRef<Text>,
    #[dref]
    pub readings: DRef<Readings>,
    #[dref]
    pub stations: DRef<Given<Text>>,
}

#[stage]
fn clean(b: &Build<Clean>) -> Result<CleanOutputs> {
    let all = b.readings.table.load()?;
    let stations = b.stations.out.load()?;
    let mut table = all.clone();
    table.retain(|row| is_known(row, &stations) && is_plausible(row));
    let log = format!("{} of {} rows\n", table.len(), all.len());
    Ok(CleanOutputs {
        table: b.table.save(&table)?,
        log: b.log.save(&log)?,
    })
}

/// The hottest that is believed, in degrees Fahrenheit.
const HOTTEST: f64 = 130.;

fn is_plausible(row: &Row) -> bool {
    row.value.abs() < HOTTEST
}

fn is_known(row: &Row, stations: &str) -> bool {
    stations.lines().any(|line| line.trim() == row.station)
}
