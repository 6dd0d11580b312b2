//! Answers with pages, and with bytes of the store.

use axum::response::Response;

use super::{Shared, answers, streams};
use crate::exit::{CommandError, CommandResult};
use crate::pages::model::{Artifact, Query, Reader};
use crate::pages::page::{missing, page, realization};
use crate::pages::views;
use pylightnix::config::DRefId;
use pylightnix::internal::open_regular;
use pylightnix::{Error, ErrorKind};

/// Answers a request for a page or for bytes of the store.
pub(super) fn answer(shared: &Shared, path: &str, query: &Query) -> Response {
    let Shared { reader, store, .. } = shared;
    let answered = match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
        Some(("raw", rest)) => raw(reader, rest),
        Some(("log", rest)) => log(reader, rest),
        Some(("d", dref)) => derivation(reader, dref),
        // Nothing once they are read.
        Some(("reading", name)) => {
            let said = reader
                .progress(name)
                .map(views::reading)
                .unwrap_or_default();
            let size = said.len() as u64;
            Ok(answers::text(said.into(), size))
        }
        _ => page(reader, path, query).map(|page| answers::page(store, 200, &page)),
    };
    answered.unwrap_or_else(|fault| {
        let status = match &fault {
            CommandError::Usage(_) => 400,
            CommandError::Error(error) | CommandError::Store(error) => match error.kind() {
                ErrorKind::Missing => 404,
                ErrorKind::Reference => 400,
                _ => 500,
            },
            _ => 500,
        };
        answers::fault(store, status, &fault.report().unwrap_or_default())
    })
}

/// Leads to the newest realization of a derivation.
fn derivation(reader: &Reader, dref: &str) -> CommandResult<Response> {
    let dref: DRefId = dref.parse()?;
    let newest = reader.store.newest_of(&dref)?;
    Ok(answers::redirect(&format!("/r/{newest}")))
}

/// Sends the bytes of an artifact.
fn raw(reader: &Reader, rest: &str) -> CommandResult<Response> {
    let (rref, path) = rest
        .split_once('/')
        .ok_or_else(|| missing("There is no such artifact."))?;
    let file = Artifact::file(reader, &realization(rref)?, path)?;
    let size = file.metadata()?.len();
    Ok(answers::artifact(path, streams::of_file(file, size), size))
}

/// Sends the log of a build.
fn log(reader: &Reader, rest: &str) -> CommandResult<Response> {
    let (rref, build) = rest
        .split_once('/')
        .ok_or_else(|| missing("There is no such log."))?;
    let realization = reader.store.realization(realization(rref)?)?;
    let builds = realization.builds().iter();
    let mut builds = builds.filter(|one| one.id.to_string() == build);
    let build = builds
        .next()
        .ok_or_else(|| missing("There is no such build."))?;
    let log = reader.store.log_of(&realization.id, build);
    let log = log.ok_or_else(|| missing("The build printed nothing."))?;
    let (file, size) = open_regular(&log).map_err(|error| Error::io("read", &log, error))?;
    Ok(answers::text(streams::of_file(file, size), size))
}
