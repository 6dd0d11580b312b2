//! Systems that cannot seal a process.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::process::Pid;

use super::explain::Refused;
use super::{Sandbox, impossible};
use crate::Result;
use crate::store::Store;

pub(super) fn check() -> Result<()> {
    Err(impossible("this system has no Landlock"))
}

pub(super) fn close_others(_: &mut Command) {}

pub(super) fn restrict(_: &Sandbox, _: &Store) -> Result<Option<OwnedFd>> {
    check().map(|()| None)
}

/// Watches nothing.
pub(in crate::realize::processes) struct Watch;

impl Watch {
    pub(in crate::realize::processes) fn begin(
        _: OwnedFd,
        _: &Sandbox,
        _: &Store,
        _: Pid,
    ) -> io::Result<Self> {
        Ok(Watch)
    }

    pub(in crate::realize::processes) fn refused(&self) -> Vec<Refused> {
        Vec::new()
    }
}
