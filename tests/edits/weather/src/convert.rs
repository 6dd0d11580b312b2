//! Units.

use pylightnix::prelude::*;

use crate::clean::Clean;
use crate::table::{Row, Table};

/// The measurements in degrees Celsius.
#[derive(Config)]
pub struct Celsius {
    #[selfref("table.json")]
    pub table: SelfRef<Json<Table>>,
    #[dref]
    pub clean: DRef<Clean>,
}

#[stage(counts(crates(degrees)))]
fn celsius(b: &Build<Celsius>) -> Result<CelsiusOutputs> {
    let table = b.clean.table.load()?;
    let converted = table.into_iter().map(converted).collect();
    Ok(CelsiusOutputs {
        table: b.table.save(&converted)?,
    })
}

fn converted(row: Row) -> Row {
    Row {
        value: degrees::celsius(row.value),
        ..row
    }
}
