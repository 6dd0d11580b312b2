//! Stopping runs: the token of users, the signals of the system, and the watchdog that tells stages. Begin to read at [`watchdog`].

pub(super) mod cancel;
#[cfg(feature = "signals")]
pub(super) mod signals;
pub(super) mod watchdog;
