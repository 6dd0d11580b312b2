//! What a job of Slurm runs.

use std::ffi::{OsStr, OsString};

use super::site::Site;
use crate::realize::orders::executor::{Batch, ORDERS};
use crate::realize::orders::serve::AGAIN;

/// How often a task is started again by itself.
const TIMES: u32 = 3;

/// Returns the script of a batch: each job of the array takes the order with its index.
pub(super) fn of(batch: &Batch, site: &Site) -> Vec<u8> {
    let mut script = head(site);
    script.extend_from_slice(format!("{ORDERS}=").as_bytes());
    script.extend(quoted(batch.place.as_os_str()));
    script
        .extend_from_slice(format!("/\"$SLURM_ARRAY_TASK_ID\".json\nexport {ORDERS}\n").as_bytes());
    script.extend(line(&batch.command));
    let again = format!(
        "status=$?\n\
         if [ $status -eq {AGAIN} ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {TIMES} ]; then\n    \
             scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"\n\
         fi\n\
         exit $status\n"
    );
    script.extend_from_slice(again.as_bytes());
    script
}

/// Returns a script that runs one command.
pub(super) fn of_command(command: &[OsString], site: &Site) -> Vec<u8> {
    let mut script = head(site);
    script.extend_from_slice(b"exec ");
    script.extend(line(command));
    script
}

/// Returns what comes before the program.
fn head(site: &Site) -> Vec<u8> {
    let mut script = b"#!/bin/sh\n# Written by Pylightnix.\n".to_vec();
    for line in &site.setup {
        script.extend_from_slice(line.as_bytes());
        script.push(b'\n');
    }
    script
}

/// Returns the line that runs a command.
fn line(command: &[OsString]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = command.iter().map(|word| quoted(word)).collect();
    let mut line = words.join(&b' ');
    line.push(b'\n');
    line
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
