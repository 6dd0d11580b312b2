//! Which page an address has.

use super::model::{
    Artifact, Compared, Drawn, Overview, Query, Reader, RealizationPage, RunRow, SearchPage,
    StageTable, locked,
};
use super::views::{self, Page};
use crate::exit::{CommandError, CommandResult};
use pylightnix::config::RRefId;
use pylightnix::{Error, ErrorKind};

/// Makes the page of an address.
pub(in crate::pages) fn page(reader: &Reader, path: &str, query: &Query) -> CommandResult<Page> {
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
    Ok(match parts.as_slice() {
        [""] => views::overview(&Overview::read(reader, query)?, query),
        ["stage", name] => views::stage(&StageTable::read(reader, name, query)?, query),
        ["r", rref] => {
            views::realization(&RealizationPage::read(reader, &realization(rref)?, query)?)
        }
        ["r", rref, "a", path] => views::artifact(
            &Artifact::read(reader, &realization(rref)?, path, query)?,
            query,
        ),
        ["compare"] => views::compared(&Compared::read(reader, query)?, query),
        ["graph"] => views::graph(&Drawn::read(reader, query)?, query, reader.has_plan()),
        ["runs"] => views::runs(&RunRow::all(reader)?),
        ["run", id] => {
            let run = reader.follower(&reader.store.run_named(id)?)?;
            let run = locked(&run);
            views::run(&run.page(reader)?)
        }
        ["search"] => views::search(&SearchPage::read(reader, query)?),
        _ => return Err(missing("There is no such page.")),
    })
}

pub(super) fn missing(text: &str) -> CommandError {
    Error::new(ErrorKind::Missing, text).into()
}

pub(super) fn realization(text: &str) -> CommandResult<RRefId> {
    Ok(text.parse()?)
}
