//! What a run reports, as data: events, actions, reasons, totals. Nothing in this folder decides anything.

pub(super) mod acceptance;
pub(super) mod action;
pub(super) mod at_remote;
pub(super) mod carried;
pub(super) mod code_notes;
pub(super) mod event;
pub(super) mod memory_guard;
pub(super) mod reason;
pub(super) mod taken;
pub(super) mod titles;
pub(super) mod totals;
#[cfg(feature = "tracing")]
pub(super) mod traced;
