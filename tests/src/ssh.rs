//! An OpenSSH server for tests of copies.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::services::brings;

/// Prepares a server that is started for each connection to the host `there`, over a pipe, and that finds programs in the folder `bin` of
/// `folder` first. Returns the program that stands for `ssh` and trusts it; `None` on a machine that has no server, unless `CI` is `true`,
/// where that is a failure. A client is known by the key in `own.pub` of `folder`.
///
/// # Panics
/// The files cannot be written.
#[must_use]
pub fn client(folder: &Path) -> Option<PathBuf> {
    if !brings("ssh/install", &[]) {
        return None;
    }
    for name in ["host", "own"] {
        let mut generate = Command::new("ssh-keygen");
        generate
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(name));
        assert!(generate.status().expect("ssh-keygen").success());
    }
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).expect("a file is written");
    };
    let host = fs::read_to_string(folder.join("host.pub")).expect("a key");
    write("known", format!("there {host}"));
    let path = std::env::var("PATH").expect("a path");
    let at = folder.display();
    write(
        "server",
        format!(
            "HostKey {at}/host\nAuthorizedKeysFile {at}/own.pub\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n\
             SetEnv PATH={at}/bin:{path}\nLogLevel QUIET\nPidFile none\n"
        ),
    );
    write(
        "client",
        format!(
            "Host there\nProxyCommand /usr/sbin/sshd -i -f {at}/server\nIdentityFile {at}/own\nIdentitiesOnly yes\n\
             UserKnownHostsFile {at}/known\nStrictHostKeyChecking yes\nBatchMode yes\n"
        ),
    );
    write(
        "ssh",
        format!("#!/bin/sh\nexec /usr/bin/ssh -F {at}/client \"$@\"\n"),
    );
    let ssh = folder.join("ssh");
    fs::set_permissions(&ssh, Permissions::from_mode(0o755)).expect("its mode");
    Some(ssh)
}
