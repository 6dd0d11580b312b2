//! Checks a config as a whole: invalid keys and paths, and conflicts between them.

use syn::LitStr;

use super::model::{Config, Field};
use crate::faults::Faults;

pub(super) fn config(config: &Config, faults: &mut Faults) {
    keys(config, faults);
    paths(config, faults);
}

fn keys(config: &Config, faults: &mut Faults) {
    for (at, field) in config.fields.iter().enumerate() {
        let of = |faults: &mut Faults, message: String| match &field.rename {
            Some(rename) => faults.of(rename, message),
            None => faults.of(&field.ident, message),
        };
        if field.key == "name" {
            let fix = match field.rename {
                Some(_) => "choose another key",
                None => "rename the field",
            };
            of(
                faults,
                format!("the key `name` holds the name of the stage in the JSON: {fix}"),
            );
        } else if let Some(other) = config.fields[..at].iter().find(|it| it.key == field.key) {
            let (key, other) = (&field.key, &other.ident);
            of(
                faults,
                format!("the key `{key}` is already used by the field `{other}`: choose another"),
            );
        }
    }
}

fn paths(config: &Config, faults: &mut Faults) {
    let mut seen: Vec<(&Field, Vec<String>)> = Vec::new();
    for (field, promise) in config.promises() {
        let Some(path) = &promise.path else { continue };
        let parts: Vec<String> = path.value().split('/').map(str::to_owned).collect();
        if let Some(message) = path_fault(&path.value()) {
            faults.of(path, message);
            continue;
        }
        if let Some((other, theirs)) = seen
            .iter()
            .find(|(_, theirs)| theirs.starts_with(&parts) || parts.starts_with(theirs))
        {
            faults.of(path, meeting(path, &parts, other, theirs));
        }
        seen.push((field, parts));
    }
}

fn meeting(path: &LitStr, parts: &[String], other: &Field, theirs: &[String]) -> String {
    let (path, other, theirs_path) = (path.value(), &other.ident, theirs.join("/"));
    if parts == theirs {
        format!("the path {path:?} is already used by the artifact `{other}`: choose another path")
    } else if parts.len() > theirs.len() {
        format!(
            "{path:?} is inside the artifact `{other}`, at {theirs_path:?}: choose a path outside of it"
        )
    } else {
        format!(
            "the artifact `{other}`, at {theirs_path:?}, would be inside {path:?}: choose a path outside of it"
        )
    }
}

fn path_fault(path: &str) -> Option<String> {
    let fix = "write a path relative to the output of the stage, such as \"plots/energy.png\"";
    let fault = if path.is_empty() {
        "the path is empty"
    } else if path.starts_with('/') {
        "the path is absolute"
    } else if path.contains('\\') {
        "the path has a backslash, but the separator is `/` on all systems"
    } else if path.chars().any(char::is_control) {
        "the path has a control character"
    } else {
        path.split('/').find_map(|part| match part {
            "" => Some("the path has an empty part"),
            "." => Some("the path has a part `.`"),
            ".." => Some("the path has a part `..`"),
            _ if part.len() > 255 => Some("the path has a part of more than 255 bytes"),
            _ => None,
        })?
    };
    Some(format!("{fault}: {fix}"))
}
