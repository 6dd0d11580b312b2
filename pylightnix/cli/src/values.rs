//! Parses the values of options: durations, sizes, pairs.

use std::time::Duration;

use pylightnix::realize;

/// Parses a duration: `90s`, `2h 30m`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    realize::parse_duration(text).map_err(|error| format!("{error:?}"))
}

/// Parses a size: `4GiB`, `500MB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    realize::parse_bytes(text).map_err(|error| format!("{error:?}"))
}

/// What a run has of a resource.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    Amount(String, u32),
    /// Its units, by their names.
    Units(String, Vec<String>),
}

/// Parses what there is of a resource: an amount, `gpu=2`, or units, `gpu=0,1`. A single unit has a comma behind it: `gpu=3,`.
pub(crate) fn resource(text: &str) -> Result<Resource, String> {
    let fault = || {
        format!(
            "`{text}` is not a resource with an amount, such as `gpu=2`, nor one with units, such as `gpu=0,1`, or `gpu=3,` for \
             one unit"
        )
    };
    let (name, there) = text.split_once('=').ok_or_else(fault)?;
    if name.is_empty() {
        return Err(fault());
    }
    let name = name.to_owned();
    if !there.contains(',') {
        let amount = there.parse().map_err(|_| fault())?;
        return Ok(Resource::Amount(name, amount));
    }
    // The run refuses empty names, and names that are there twice.
    let units = there.strip_suffix(',').unwrap_or(there).split(',');
    Ok(Resource::Units(name, units.map(str::to_owned).collect()))
}

/// Where the code of stages runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// On threads of this process.
    Threads,
    /// In processes of their own.
    Processes,
    /// As jobs of Slurm, in this partition.
    Slurm(Option<String>),
}

/// Parses where stages run: `processes`, `slurm:gpu`.
pub(crate) fn on(text: &str) -> Result<On, String> {
    match text.split_once(':') {
        None if text == "threads" => Ok(On::Threads),
        None if text == "processes" => Ok(On::Processes),
        None if text == "slurm" => Ok(On::Slurm(None)),
        Some(("slurm", partition)) if !partition.is_empty() => {
            Ok(On::Slurm(Some(partition.to_owned())))
        }
        _ => Err("stages run on `threads`, `processes`, `slurm` or `slurm:PARTITION`".to_owned()),
    }
}
