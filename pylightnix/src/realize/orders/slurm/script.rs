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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realize::orders::executor::Needs;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    /// Runs the script of a job whose program ends with this status, after so many restarts. Returns what it ends with, and what was asked of
    /// `scontrol`.
    fn ended(status: i32, restarts: Option<&str>) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let scontrol = folder.path().join("scontrol");
        let text = format!("#!/bin/sh\necho \"$@\" >> {}\n", asked.display());
        fs::write(&scontrol, text).unwrap();
        fs::set_permissions(&scontrol, fs::Permissions::from_mode(0o755)).unwrap();
        let batch = Batch {
            place: folder.path().to_owned(),
            command: vec![
                "/bin/sh".into(),
                "-c".into(),
                format!("exit {status}").into(),
            ],
            folder: folder.path().to_owned(),
            orders: Vec::new(),
            needs: Needs::default(),
            time: None,
            expected: None,
            name: "x".to_owned(),
            comment: "c".to_owned(),
        };
        let script = folder.path().join("script");
        fs::write(&script, of(&batch, &Site::default())).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.arg(&script).env_clear();
        shell.env("PATH", folder.path());
        shell.env("SLURM_ARRAY_JOB_ID", "7");
        shell.env("SLURM_ARRAY_TASK_ID", "2");
        if let Some(restarts) = restarts {
            shell.env("SLURM_RESTART_COUNT", restarts);
        }
        let status = shell.status().unwrap();
        (status.code(), fs::read_to_string(asked).unwrap_or_default())
    }

    #[test]
    fn a_task_that_sees_too_little_is_started_again_three_times_at_most() {
        let again = || "requeue 7_2\n".to_owned();
        assert_eq!(ended(AGAIN, None), (Some(AGAIN), again()));
        assert_eq!(ended(AGAIN, Some("2")), (Some(AGAIN), again()));
        assert_eq!(ended(AGAIN, Some("3")), (Some(AGAIN), String::new()));
        assert_eq!(ended(1, None), (Some(1), String::new()));
        assert_eq!(ended(0, None), (Some(0), String::new()));
    }
}
