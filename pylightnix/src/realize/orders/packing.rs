//! Packing: how builds become tasks. Short ones share a task, so that starting it costs little beside its work.

use std::time::Duration;

/// What a build costs beside the time of its stage.
const OVERHEAD: Duration = Duration::from_millis(30);

/// A task shorter than this costs more to start than it does.
const SHORTEST: Duration = Duration::from_secs(1);

/// Puts builds with these expected times into tasks of at most about `most`, and of less if that keeps all `slots` busy. Returns the
/// builds of each task, in order.
pub(in crate::realize) fn pack(
    times: &[Duration],
    most: Duration,
    slots: Option<usize>,
) -> Vec<Vec<usize>> {
    let cost = |time: &Duration| *time + OVERHEAD;
    let total: Duration = times.iter().map(cost).sum();
    let share = match slots.and_then(|slots| u32::try_from(slots).ok()) {
        Some(slots) if slots > 0 => total / slots,
        _ => most,
    };
    let aim = share.max(SHORTEST).min(most);
    let mut tasks: Vec<Vec<usize>> = Vec::new();
    let mut filled = Duration::MAX;
    for (at, time) in times.iter().enumerate() {
        let with = filled.saturating_add(cost(time));
        match tasks.last_mut() {
            // A build that would go far beyond the aim begins another task.
            Some(task) if filled < aim && with <= aim.saturating_add(aim / 2) => {
                task.push(at);
                filled = with;
            }
            _ => {
                tasks.push(vec![at]);
                filled = cost(time);
            }
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(times: &[Duration], most: u64, slots: Option<usize>) -> Vec<usize> {
        let tasks = pack(times, Duration::from_secs(most), slots);
        let all: Vec<usize> = tasks.iter().flatten().copied().collect();
        assert_eq!(all, (0..times.len()).collect::<Vec<_>>());
        tasks.iter().map(Vec::len).collect()
    }

    #[test]
    fn short_builds_share_tasks_and_long_ones_do_not() {
        let short = [Duration::from_millis(10); 1000];
        assert_eq!(sizes(&short, 60, Some(8)), [125; 8]);
        assert_eq!(sizes(&short, 60, None), [1000]);
        // On a large cluster, a task is worth its start.
        assert_eq!(sizes(&short, 60, Some(1000)), [25; 40]);
        let long = [Duration::from_secs(100); 3];
        assert_eq!(sizes(&long, 60, Some(2)), [1; 3]);
        let mixed = [1, 100, 1, 1].map(Duration::from_secs);
        assert_eq!(sizes(&mixed, 60, None), [1, 1, 2]);
        assert_eq!(sizes(&[], 60, None), [0; 0]);
    }
}
