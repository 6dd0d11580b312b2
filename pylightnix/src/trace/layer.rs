//! The `tracing` layer that writes events to the logs of builds.

use std::io::Write as _;

use tracing::metadata::LevelFilter;
use tracing::{Event, Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::line::{Fields, line};
use super::panics;
use super::{STAGE, log_of_new_span};
use crate::lens::BuildLog;

/// A layer for a `tracing` subscriber, which writes the events inside the span of a stage to the log of that build, from all
/// threads. See the [module](super).
///
/// Without [`at`](Self::at), it takes events of the level `INFO` and above. Other layers are not affected.
#[derive(Clone, Copy, Debug)]
pub struct BuildLogs {
    max_level: LevelFilter,
}

impl BuildLogs {
    /// Makes the layer.
    pub fn new() -> Self {
        BuildLogs {
            max_level: LevelFilter::INFO,
        }
    }

    /// Takes events of this level and above, for example `LevelFilter::DEBUG`.
    ///
    /// ```
    /// use pylightnix::trace::BuildLogs;
    /// use tracing::metadata::LevelFilter;
    /// use tracing_subscriber::layer::SubscriberExt as _;
    ///
    /// let subscriber = tracing_subscriber::registry().with(BuildLogs::new().at(LevelFilter::DEBUG));
    /// # drop(subscriber);
    /// ```
    pub fn at(self, max_level: LevelFilter) -> Self {
        BuildLogs { max_level }
    }
}

impl Default for BuildLogs {
    fn default() -> Self {
        BuildLogs::new()
    }
}

/// The text of a span inside the span of a stage.
struct SpanText(String);

impl<S> Layer<S> for BuildLogs
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let Some(span) = context.span(id) else { return };
        let metadata = attributes.metadata();
        if metadata.target() == STAGE {
            if let Some(log) = log_of_new_span() {
                span.extensions_mut().replace(log);
            }
        } else if log_around(&span).is_some() {
            let Fields { message, others } = Fields::of_span(attributes);
            let shown = SpanText(format!("{message}{others}").trim_start().to_owned());
            span.extensions_mut().replace(shown);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanText(text)) = span.extensions_mut().get_mut()
        {
            let mut fields = Fields::default();
            values.record(&mut fields);
            text.push_str(&fields.others);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() > self.max_level {
            return;
        }
        // Take the innermost stage: a stage may run another plan.
        let Some(span) = context.event_span(event) else {
            return;
        };
        let Some(log) = log_around(&span) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = line(event.metadata(), &spans(&span), &fields);
        // The caller cannot handle errors such as a full disk.
        if (&log).write_all(text.as_bytes()).is_ok() && event.metadata().target() == panics::TARGET
        {
            log.note_panic();
        }
    }
}

/// Returns the log of the stage that contains a span.
fn log_around<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<BuildLog> {
    span.scope()
        .find_map(|span| span.extensions().get::<BuildLog>().cloned())
}

/// Formats the spans inside the span of the stage, as in `outer{a=1}:inner: `.
fn spans<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> String {
    let within = |span: &SpanRef<'a, S>| span.extensions().get::<BuildLog>().is_none();
    let spans: Vec<_> = span.scope().take_while(within).collect();
    let mut text = String::new();
    for (at, span) in spans.iter().rev().enumerate() {
        if at > 0 {
            text.push(':');
        }
        text.push_str(span.name());
        match span.extensions().get() {
            Some(SpanText(fields)) if !fields.is_empty() => {
                text.push_str(&format!("{{{}}}", fields.trim_start()))
            }
            _ => {}
        }
    }
    if !text.is_empty() {
        text.push_str(": ");
    }
    text
}
