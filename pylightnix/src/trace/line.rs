//! Formats events and spans as text.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Metadata, span};

/// Fields as text, ` name=value` each, with the message apart.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a `String` cannot fail; a failing `Debug` only truncates its own field.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

impl Fields {
    pub(super) fn of_span(attributes: &span::Attributes<'_>) -> Self {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields
    }
}

/// Formats the line of an event: `2026-03-01T12:00:00.123Z  INFO target: outer{a=1}:inner: message b=2`.
pub(super) fn line(metadata: &Metadata<'_>, spans: &str, fields: &Fields) -> String {
    let Fields { message, others } = fields;
    let message = match (message.as_str(), others.strip_prefix(' ')) {
        ("", Some(others)) => others.to_owned(),
        (message, _) => format!("{message}{others}"),
    };
    let (level, target) = (metadata.level(), metadata.target());
    format!(
        "{:.3} {level:>5} {target}: {spans}{message}\n",
        Timestamp::now()
    )
}
