//! The answers that a run gave so far, from which workers make the plan.

use serde::Serialize;
use serde_json::{Map, Value};

/// The answers for each target, as JSON.
#[derive(Clone, Default)]
pub(in crate::realize) struct Answered {
    answers: Map<String, Value>,
    /// The number of answers.
    pub(in crate::realize) count: usize,
}

impl Answered {
    /// Adds the answer to the next question for a target.
    pub(in crate::realize) fn add(&mut self, target: &str, answer: &impl Serialize) {
        // An answer is made of texts.
        let answer = serde_json::to_value(answer).unwrap_or_default();
        let of_target = self
            .answers
            .entry(target)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(answers) = of_target {
            answers.push(answer);
        }
        self.count += 1;
    }

    /// Reads answers that were written by `json`.
    pub(in crate::realize) fn of_json(text: &str) -> Result<Self, serde_json::Error> {
        let answers: Map<String, Value> = serde_json::from_str(text)?;
        let count = answers.values().filter_map(Value::as_array);
        let count = count.map(Vec::len).sum();
        Ok(Answered { answers, count })
    }

    /// Returns all of them.
    pub(in crate::realize) fn json(&self) -> String {
        Value::Object(self.answers.clone()).to_string()
    }
}
