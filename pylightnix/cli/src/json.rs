//! Streams long answers as JSON.

use serde::Serialize;
use std::io::Write;

use crate::exit::CommandResult;

/// A JSON list that is written item by item, each on a line of its own.
pub(crate) struct List {
    is_empty: bool,
}

impl List {
    /// Begins the list.
    pub(crate) fn begin(out: &mut impl Write) -> CommandResult<Self> {
        out.write_all(b"[")?;
        Ok(List { is_empty: true })
    }

    /// Adds an item.
    pub(crate) fn item(
        &mut self,
        out: &mut impl Write,
        value: &impl Serialize,
    ) -> CommandResult<()> {
        out.write_all(if self.is_empty { b"\n  " } else { b",\n  " })?;
        self.is_empty = false;
        Ok(serde_json::to_writer(out, value)?)
    }

    /// Ends the list.
    pub(crate) fn end(self, out: &mut impl Write) -> CommandResult<()> {
        out.write_all(if self.is_empty { b"]\n" } else { b"\n]\n" })?;
        Ok(())
    }
}
