//! The resources of a run, and the needs of its stages.

use std::sync::OnceLock;
use std::time::Duration;

use crate::plan::{AnyDRef, Limits, PlanGraph};
use crate::realize::options::Realize;
use crate::realize::resources::pool::{Amounts, ResourceKind};
use crate::store::cores;
use crate::units::{self, Misread, text};
use crate::{Error, ErrorKind, Result};

/// Parses a size such as "16GiB", as in `#[stage(memory = "16GiB")]`, and returns the number of bytes: a number and one of
/// the units `B`, `KiB`, `MiB`, `GiB`, `TiB`, `PiB` (powers of 1024), `kB`, `MB`, `GB`, `TB` and `PB` (powers of 1000).
///
/// # Errors
/// Fails if `text` is not a valid size.
///
/// ```
/// use pylightnix::realize::parse_bytes;
/// assert_eq!(parse_bytes("16GiB")?, 16 << 30);
/// assert_eq!(parse_bytes("1.5 kB")?, 1500);
/// assert_eq!(parse_bytes("1_000MB")?, 1_000_000_000);
/// assert!(parse_bytes("16G").is_err());
/// # Ok::<(), pylightnix::Error>(())
/// ```
pub fn parse_bytes(text: &str) -> Result<u64> {
    units::bytes(text).map_err(error_of)
}

/// Parses a duration such as "2h 30m", as in `#[stage(timeout = "2h 30m")]`: numbers with the units `ms`, `s`, `m`
/// (minutes), `h`, `d` and `w`, or their long names, which are added up. A single number without a unit counts seconds.
///
/// # Errors
/// Fails if `text` is not a valid duration.
///
/// ```
/// use pylightnix::realize::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("2h 30m")?, Duration::from_secs(9000));
/// assert_eq!(parse_duration("1.5 hours")?, Duration::from_secs(5400));
/// assert_eq!(parse_duration("250ms")?, Duration::from_millis(250));
/// assert!(parse_duration("10 minuts").is_err());
/// # Ok::<(), pylightnix::Error>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration> {
    units::duration(text).map_err(error_of)
}

fn error_of(misread: Misread) -> Error {
    Error::new(ErrorKind::Resources, misread.message).with_help(misread.help)
}

/// Returns the resources that the stages of a run may use together.
pub(in crate::realize) fn total(options: &Realize<'_>) -> Amounts {
    let declared = &options.resources;
    let mut total = Amounts::default();
    let processors = cores();
    // A user who asks for more jobs than processors wants that many threads.
    let threads = declared.threads.unwrap_or(processors.max(options.jobs));
    total.set(ResourceKind::Threads, threads as u64);
    total.set(
        ResourceKind::Memory,
        declared.memory.unwrap_or_else(memory_of_this_machine),
    );
    for (name, amount) in &declared.named {
        total.set(ResourceKind::Named(name.as_str().into()), *amount);
    }
    total
}

/// Returns the resources that one run of a stage needs.
pub(in crate::realize) fn needs(limits: &Limits) -> Amounts {
    let mut needs = Amounts::default();
    needs.set(ResourceKind::Threads, limits.threads.into());
    if limits.memory > 0 {
        needs.set(ResourceKind::Memory, limits.memory);
    }
    for (name, amount) in &limits.resources {
        needs.set(ResourceKind::Named(name.as_str().into()), *amount);
    }
    needs
}

/// Returns an error if a stage needs more of a resource than the run has; `None` otherwise.
pub(in crate::realize) fn shortage(
    total: &Amounts,
    graph: &PlanGraph,
    dref: &AnyDRef,
) -> Option<Error> {
    let limits = dref.node().limits();
    if limits.needs_one_thread() {
        return None;
    }
    let needs = needs(limits);
    let lacks: Vec<_> = needs.short_of(total).collect();
    let first = *lacks.first()?;
    let said = |kind: &&ResourceKind| {
        let (needs, has) = (needs.of(kind), total.of(kind));
        match kind {
            ResourceKind::Threads => format!("{needs} threads, and this run has {has}"),
            ResourceKind::Memory => {
                let (needs, has) = text::sizes(needs, has);
                format!("{needs} of memory, and this run has {has}")
            }
            ResourceKind::Named(name) if has == 0 => {
                format!("{needs} `{name}`, and this run has none")
            }
            ResourceKind::Named(name) => format!("{needs} `{name}`, and this run has {has}"),
        }
    };
    let said: Vec<_> = lacks.iter().map(said).collect();
    let option = match first {
        ResourceKind::Threads => format!(".threads({})", needs.of(first)),
        ResourceKind::Memory => format!(
            ".memory(parse_bytes({:?})?)",
            text::exact_size(needs.of(first))
        ),
        ResourceKind::Named(name) => format!(".resource({name:?}, {})", needs.of(first)),
    };
    let message = format!(
        "stage `{}` cannot run here: it needs {}",
        graph.titled(dref.id()),
        said.join("; and ")
    );
    Some(Error::new(ErrorKind::Resources, message).with_help(format!(
        "state what this machine has, `Realize::new(&store){option}`, or realize the stage on a machine that has it and \
         unpack the result here\nthe derivation is {dref}"
    )))
}

/// Returns the memory of this machine, or the limit of this process's control group if it is smaller; `u64::MAX` if it is
/// unknown. Cached.
fn memory_of_this_machine() -> u64 {
    static MEMORY: OnceLock<u64> = OnceLock::new();
    *MEMORY.get_or_init(ask_for_memory)
}

fn ask_for_memory() -> u64 {
    #[cfg(target_os = "linux")]
    {
        // Includes the memory that the system itself uses: a stage that needs nearly all memory may try.
        let info = rustix::system::sysinfo();
        let memory = u128::from(info.totalram) * u128::from(info.mem_unit);
        let memory = u64::try_from(memory).unwrap_or(u64::MAX);
        // The limit of a container (cgroup v2); "max" means none.
        let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max");
        let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
        memory.min(limit.unwrap_or(u64::MAX))
    }
    #[cfg(not(target_os = "linux"))]
    u64::MAX
}
