//! Events as JSON objects; [`super`] lists the fields.

use jiff::Timestamp;
use serde_json::{Value, json};

use pylightnix::config::DRefId;
use pylightnix::realize::Event;

/// Returns an event of a run as an object; `None` for one that only counts. `label` returns the label that distinguishes a stage from
/// others of the same name.
pub(crate) fn object_of(
    event: &Event<'_>,
    label: &dyn Fn(&DRefId) -> Option<String>,
) -> Option<Value> {
    let report = |error: &pylightnix::Error| format!("{error:?}");
    let (name, stage, mut fields) = match event {
        Event::Begun { stages, .. } => ("begun", None, json!({ "stages": stages })),
        Event::EarlierResults { results, .. } => (
            "earlier_results",
            None,
            json!({ "stages": results.stages, "took_seconds": results.took.as_secs_f64() }),
        ),
        Event::Building {
            dref,
            runs,
            reason,
            why,
            ..
        } => {
            let fields = json!({
                "runs": runs,
                "reason": reason.to_string(),
                "why": why.to_string(),
            });
            ("building", Some((*dref, None)), fields)
        }
        Event::Queued { dref, .. } => ("queued", Some((*dref, None)), json!({})),
        Event::Waiting { dref, .. } => ("waiting", Some((*dref, None)), json!({})),
        Event::Tasks {
            queued,
            reasons,
            running,
            hosts,
            ..
        } => {
            let fields = json!({
                "queued": queued,
                "reasons": reasons,
                "running": running,
                "hosts": hosts,
            });
            ("tasks", None, fields)
        }
        Event::Started { dref, index, .. } => ("started", Some((*dref, Some(*index))), json!({})),
        Event::Attempt {
            dref, index, log, ..
        } => (
            "attempt",
            Some((*dref, Some(*index))),
            json!({ "log": log.to_string_lossy() }),
        ),
        Event::Progress {
            dref,
            index,
            done,
            total,
            ..
        } => (
            "progress",
            Some((*dref, Some(*index))),
            json!({ "done": done, "total": total }),
        ),
        Event::Recorded {
            dref,
            index,
            name,
            step,
            value,
            ..
        } => (
            "recorded",
            Some((*dref, Some(*index))),
            json!({ "series": name, "step": step, "value": value }),
        ),
        Event::Retrying {
            dref,
            index,
            attempt,
            left,
            wait,
            error,
            ..
        } => {
            let fields = json!({
                "attempt": attempt,
                "left": left,
                "wait_seconds": wait.as_secs_f64(),
                "error": report(error),
            });
            ("retrying", Some((*dref, Some(*index))), fields)
        }
        Event::Overdue {
            dref, index, error, ..
        } => (
            "overdue",
            Some((*dref, Some(*index))),
            json!({ "error": report(error) }),
        ),
        Event::LookedLate {
            dref,
            index,
            of,
            error,
            ..
        } => {
            let fields = json!({ "of": of.to_string(), "error": report(error) });
            ("looked_late", Some((*dref, Some(*index))), fields)
        }
        Event::Published {
            rref,
            index,
            new,
            seconds,
            ..
        } => {
            let fields = json!({ "rref": rref.to_string(), "new": new, "took_seconds": seconds });
            ("published", Some((rref.dref(), Some(*index))), fields)
        }
        Event::FailureRecorded {
            rref,
            index,
            new,
            seconds,
            text,
            ..
        } => {
            let fields = json!({
                "rref": rref.to_string(),
                "new": new,
                "took_seconds": seconds,
                "error": text,
            });
            (
                "failure_recorded",
                Some((rref.dref(), Some(*index))),
                fields,
            )
        }
        Event::RunFailed {
            dref,
            index,
            kept,
            error,
            ..
        } => {
            let kept = kept.map(|kept| kept.to_string_lossy());
            let fields = json!({ "kept": kept, "error": report(error) });
            ("run_failed", Some((*dref, Some(*index))), fields)
        }
        Event::Carried {
            dref,
            rrefs,
            why,
            remote,
            ..
        } => {
            let rrefs: Vec<_> = rrefs.iter().map(|rref| rref.to_string()).collect();
            let fields = json!({ "rrefs": rrefs, "why": why.reason(), "remote": remote });
            ("carried", Some((*dref, None)), fields)
        }
        Event::Fetched {
            dref,
            rrefs,
            remote,
            bytes,
            ..
        } => {
            let rrefs: Vec<_> = rrefs.iter().map(|rref| rref.to_string()).collect();
            let fields = json!({ "rrefs": rrefs, "remote": remote, "bytes": bytes });
            ("fetched", Some((*dref, None)), fields)
        }
        Event::RemoteFailed {
            remote,
            error,
            is_out,
            ..
        } => {
            let fields = json!({ "remote": remote, "error": report(error), "is_out": is_out });
            ("remote_failed", None, fields)
        }
        Event::OtherCode {
            dref,
            remote,
            results,
            why,
            ..
        } => {
            let fields = json!({ "remote": remote, "results": results, "why": why });
            ("other_code", Some((*dref, None)), fields)
        }
        Event::Chosen {
            dref,
            rrefs,
            built: true,
            ..
        } => {
            let rrefs: Vec<_> = rrefs.iter().map(|rref| rref.to_string()).collect();
            ("chosen", Some((*dref, None)), json!({ "rrefs": rrefs }))
        }
        Event::AheadOfClock { rref, ended, .. } => {
            let fields = json!({ "rref": rref.to_string(), "ended": ended.to_string() });
            ("ahead_of_clock", Some((rref.dref(), None)), fields)
        }
        Event::MemoryLimited { guard, .. } => {
            let fields = json!({ "guard": guard.name(), "text": guard.to_string() });
            ("memory_limited", None, fields)
        }
        Event::Stopping { running, .. } => ("stopping", None, json!({ "running": running })),
        Event::Cancelled { dref, error, .. } => (
            "cancelled",
            Some((*dref, None)),
            json!({ "error": report(error) }),
        ),
        Event::Failed { dref, error, .. } => (
            "failed",
            Some((*dref, None)),
            json!({ "error": report(error) }),
        ),
        _ => return None,
    };
    if let Some(label) = stage.and_then(|(dref, _)| label(dref)) {
        fields["label"] = json!(label);
    }
    Some(object(name, stage, fields))
}

/// Returns an event with its name, the time, the stage and the index of the run, and these fields.
pub(crate) fn object(name: &str, stage: Option<(&DRefId, Option<usize>)>, fields: Value) -> Value {
    let mut object = json!({ "event": name, "time": Timestamp::now().to_string() });
    if let Some((dref, index)) = stage {
        object["dref"] = json!(dref.to_string());
        object["name"] = json!(dref.name().to_string());
        if let Some(index) = index {
            object["index"] = json!(index);
        }
    }
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}
