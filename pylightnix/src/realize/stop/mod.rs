//! Stopping runs: cancellation tokens, signals, and the watchdog, which tells stages to stop. Begin to read at [`watchdog`].

pub(super) mod cancel;
#[cfg(feature = "signals")]
pub(super) mod signals;
pub(super) mod watchdog;
