//! Profiles in the files `config` and `credentials` of `~/.aws`, which `object_store` does not read.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use object_store::aws::AwsCredential;
use serde::Deserialize;

use crate::{Error, ErrorKind, Result};

/// The profile that counts if none is named.
const DEFAULT: &str = "default";
/// How long before its end a credential is no longer used.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// What a profile says.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) keys: Option<Keys>,
}

/// Where a profile has its keys from.
pub(super) enum Keys {
    Fixed(Arc<AwsCredential>),
    /// A program prints them.
    Process(Process),
}

impl Profile {
    /// Reads the profile that `AWS_PROFILE` names, else `default`, which need not exist.
    ///
    /// # Errors
    /// The profile that is named does not exist, or has its keys from what this library does not know; a file cannot be read.
    pub(super) fn read() -> Result<Self> {
        let named = env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
        let name = named.as_deref().unwrap_or(DEFAULT);
        let mut values = BTreeMap::new();
        let mut is_there = false;
        let places = [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ];
        // What stands in `credentials` counts before what stands in `config`.
        for (variable, file) in places {
            let Some(path) = place(variable, file) else {
                continue;
            };
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|error| Error::io("read", &path, error))?,
            };
            let found = section(&text, name);
            is_there |= found.is_some();
            values.extend(found.unwrap_or_default());
        }
        if !is_there && named.is_some() {
            let text = format!("there is no profile `{name}`, which `$AWS_PROFILE` names");
            return Err(Error::new(ErrorKind::Remote, text).with_help(
                "`aws configure list-profiles` shows those in ~/.aws/config and ~/.aws/credentials",
            ));
        }
        let profile = Profile {
            region: values.remove("region"),
            endpoint: values.remove("endpoint_url"),
            keys: keys(&mut values),
        };
        let is_elsewhere = values
            .keys()
            .any(|key| key == "role_arn" || key.starts_with("sso_"));
        if profile.keys.is_none() && is_elsewhere {
            let text =
                format!("the profile `{name}` has its keys from a role or from a single sign-on");
            return Err(Error::new(ErrorKind::Remote, text).with_help(format!(
                "let `aws` fetch them: add a profile with the line `credential_process = aws configure export-credentials --profile {name} \
                 --format process`, and name that one in `$AWS_PROFILE`"
            )));
        }
        Ok(profile)
    }
}

/// Returns the path of a file of profiles.
fn place(variable: &str, file: &str) -> Option<PathBuf> {
    match env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => Some(path.into()),
        None => Some(env::home_dir()?.join(".aws").join(file)),
    }
}

/// Returns the values in the section of a profile; `None` if there is no such section.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut is_it = false;
    for line in text.lines() {
        if let Some(title) = line.trim().strip_prefix('[') {
            let title = title.split(']').next().unwrap_or_default().trim();
            let title = match title.split_once(char::is_whitespace) {
                Some(("profile", name)) => name.trim(),
                _ => title,
            };
            is_it = title == name;
            if is_it {
                found.get_or_insert_default();
            }
            continue;
        }
        // A line that is indented belongs to a setting of another service.
        let is_indented = line.starts_with(char::is_whitespace);
        if !is_it || is_indented || line.starts_with(['#', ';']) {
            continue;
        }
        if let (Some(found), Some((key, value))) = (&mut found, line.split_once('=')) {
            found.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

fn keys(values: &mut BTreeMap<String, String>) -> Option<Keys> {
    let pair = values
        .remove("aws_access_key_id")
        .zip(values.remove("aws_secret_access_key"));
    if let Some((key_id, secret_key)) = pair {
        let token = values.remove("aws_session_token");
        return Some(Keys::Fixed(Arc::new(AwsCredential {
            key_id,
            secret_key,
            token,
        })));
    }
    let command = values.remove("credential_process")?;
    let known = Mutex::default();
    Some(Keys::Process(Process { command, known }))
}

/// A program that prints keys.
pub(super) struct Process {
    command: String,
    /// What it printed last, with the time when that ends.
    known: Mutex<Option<(Arc<AwsCredential>, Option<Timestamp>)>>,
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

impl Process {
    /// Returns the keys, from the program unless the last ones are valid still. The error never has what the program printed.
    pub(super) fn credential(&self) -> Result<Arc<AwsCredential>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((credential, end)) = &*known
            && end.is_none_or(|end| end > Timestamp::now() + MARGIN)
        {
            return Ok(credential.clone());
        }
        let ended = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("the `credential_process` of the profile: {error}"))?;
        if !ended.status.success() {
            return Err(format!(
                "the `credential_process` of the profile ended with {}",
                ended.status
            ));
        }
        let printed: Printed = serde_json::from_slice(&ended.stdout).map_err(|_| {
            "the `credential_process` of the profile did not print keys as JSON".to_owned()
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: printed.access_key_id,
            secret_key: printed.secret_access_key,
            token: printed.session_token,
        });
        // Keys whose end cannot be read are asked for again each time.
        let end = printed.expiration.map(|end| end.parse());
        let end = end.transpose();
        *known = end.ok().map(|end| (credential.clone(), end));
        Ok(credential)
    }
}
