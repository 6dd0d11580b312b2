//! How many tasks of a run wait, and why, and how many run, and where: what people look at while it goes on.

use std::collections::BTreeSet;

use super::executor::Sight;

/// The tasks of a run that it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::realize) struct TaskCounts {
    pub(in crate::realize) queued: usize,
    /// The reasons why they wait, each once.
    pub(in crate::realize) reasons: BTreeSet<String>,
    pub(in crate::realize) running: usize,
    /// Where they run, each machine once.
    pub(in crate::realize) hosts: BTreeSet<String>,
}

impl TaskCounts {
    /// Counts a task. What the executor says may be old: one that has begun a build runs.
    pub(in crate::realize) fn add(&mut self, sight: Option<&Sight>, is_begun: bool) {
        match sight {
            Some(Sight::Running(host)) => {
                self.running += 1;
                self.hosts.insert(host.clone());
            }
            Some(Sight::Gone(_)) => {}
            _ if is_begun => self.running += 1,
            Some(Sight::Queued(why)) => {
                self.queued += 1;
                self.reasons.insert(why.clone());
            }
            None => self.queued += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_has_begun_runs_whatever_was_said_of_it() {
        let mut counts = TaskCounts::default();
        let queued = Sight::Queued("Resources".to_owned());
        counts.add(Some(&queued), false);
        counts.add(Some(&queued), true);
        counts.add(Some(&Sight::Running("n1".to_owned())), true);
        counts.add(Some(&Sight::Gone(String::new())), true);
        counts.add(None, false);
        assert_eq!((counts.queued, counts.running), (2, 2));
        assert_eq!(counts.reasons, ["Resources".to_owned()].into());
        assert_eq!(counts.hosts, ["n1".to_owned()].into());
    }
}
