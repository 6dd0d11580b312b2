use pylightnix::prelude::*;

#[derive(Config)]
struct Table {
    #[selfref("table.json")]
    out: SelfRef<Json<u32>>,
}

#[stage(uses("data/*.csw"))]
fn table(b: &Build<Table>) -> Result<TableOutputs> {
    Ok(TableOutputs { out: b.out.save(&1)? })
}

fn main() {}
