//! What a job of Slurm runs.

use std::ffi::OsStr;

use super::site::Site;
use crate::realize::orders::executor::{Batch, ORDERS};
use crate::realize::orders::serve::AGAIN;

/// How often a task is started again by itself.
const TIMES: u32 = 3;

/// Returns the script of a batch: each job of the array takes the order with its index.
pub(super) fn of(batch: &Batch, site: &Site) -> Vec<u8> {
    let mut script = b"#!/bin/sh\n# A batch of tasks of Pylightnix.\n".to_vec();
    for line in &site.setup {
        script.extend_from_slice(line.as_bytes());
        script.push(b'\n');
    }
    script.extend_from_slice(format!("{ORDERS}=").as_bytes());
    script.extend(quoted(batch.place.as_os_str()));
    script
        .extend_from_slice(format!("/\"$SLURM_ARRAY_TASK_ID\".json\nexport {ORDERS}\n").as_bytes());
    for (at, word) in batch.command.iter().enumerate() {
        if at > 0 {
            script.push(b' ');
        }
        script.extend(quoted(word));
    }
    let again = format!(
        "\nstatus=$?\n\
         if [ $status -eq {AGAIN} ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {TIMES} ]; then\n    \
             scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"\n\
         fi\n\
         exit $status\n"
    );
    script.extend_from_slice(again.as_bytes());
    script
}

/// Returns a word as the shell reads it back.
fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word.as_encoded_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
