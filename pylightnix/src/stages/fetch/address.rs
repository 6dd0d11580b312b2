//! Parses and checks URLs.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use ureq::http::Uri;

use crate::{BoxError, Error, ErrorKind, Result};

/// Parses a URL to fetch from. Errors never contain passwords.
pub(super) fn checked(url: &str) -> Result<Uri> {
    let (shown, has_user) = without_user(url);
    let fault = |problem: &str| {
        Error::new(
            ErrorKind::Config,
            format!("cannot fetch from {shown:?}: {problem}"),
        )
    };
    let help = "give a URL that begins with `https://`, `http://` or, for a file of this machine, `file:///`";
    if has_user {
        return Err(fault(
            "it contains a user or a password, which would be written into the config of each result",
        )
        .with_help(
            "remove the part before the `@`, and give the password at run time: by a line `machine HOST login USER password \
             PASSWORD` in `~/.netrc`, or by `Fetched::headers` with a token from an environment variable",
        ));
    }
    let uri: Uri = url.parse().map_err(|error| {
        fault("it is not a valid URL")
            .because(BoxError::from(error))
            .with_help(help)
    })?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some(other), _) if other != "http" && other != "https" => {
            Err(fault(&format!("the protocol `{other}` is not supported")).with_help(help))
        }
        _ => Err(fault("it has no host name").with_help(help)),
    }
}

/// Where a file is fetched from.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Web(Uri),
    /// A file of this machine, by `file://`.
    Local(PathBuf),
}

impl Place {
    /// Parses a URL to fetch from, as [`checked`] does, or one of a file.
    pub(super) fn of(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("file://") else {
            return checked(url).map(Place::Web);
        };
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        let fault = |problem: &str| {
            let text = format!("cannot fetch from {url:?}: {problem}");
            Error::new(ErrorKind::Config, text).with_help(
                "give an absolute path, as in `file:///data/words.txt`, and `%20` for a space",
            )
        };
        if !path.starts_with('/') {
            return Err(fault(
                "its path is not absolute, or it is on another machine",
            ));
        }
        let path = unescaped(path).ok_or_else(|| fault("it has a `%` without two hex digits"))?;
        Ok(Place::Local(PathBuf::from(OsString::from_vec(path))))
    }

    /// Returns the URL, if it is one of the web.
    pub(super) fn web(&self) -> Option<&Uri> {
        match self {
            Place::Web(uri) => Some(uri),
            Place::Local(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Web(uri) => write!(f, "{uri}"),
            Place::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Replaces `%20` and the like.
fn unescaped(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(
            u8::from_str_radix(digits, 16)
                .ok()
                .filter(|_| !digits.starts_with('+'))?,
        );
        rest = after;
    }
    Some(bytes)
}

/// Removes the user and the password from a URL. Also returns whether it had any.
fn without_user(url: &str) -> (String, bool) {
    let begin = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[begin..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| begin + at);
    match url[begin..end].rfind('@') {
        Some(at) => (format!("{}...{}", &url[..begin], &url[begin + at..]), true),
        None => (url.to_owned(), false),
    }
}

/// The origin of a URL, the scope of secrets: protocol, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) is_secure: bool,
    pub(super) host: String,
    port: u16,
}

impl Server {
    pub(super) fn of(uri: &Uri) -> Self {
        let is_secure = uri.scheme_str() == Some("https");
        Server {
            is_secure,
            host: uri.host().unwrap_or_default().to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
        }
    }
}

/// Resolves `location` relative to `base` (RFC 3986, 5.2, without removal of dot segments). Returns `None` for an invalid
/// URL.
pub(super) fn resolved(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let path = base.path();
    let has_scheme = location
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
    let whole = if has_scheme {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.is_empty() {
        base.to_string()
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{path}{location}")
    } else {
        let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
        format!("{scheme}://{authority}{folder}{location}")
    };
    checked(&whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let base: Uri = "https://one.org:8443/a/b?c".parse().unwrap();
        for (location, there) in [
            ("/x/y?z", "https://one.org:8443/x/y?z"),
            ("y", "https://one.org:8443/a/y"),
            ("?q", "https://one.org:8443/a/b?q"),
            ("//two.org/x", "https://two.org/x"),
            ("http://two.org/x#part", "http://two.org/x"),
            (
                "/x?to=http://three.org",
                "https://one.org:8443/x?to=http://three.org",
            ),
        ] {
            let found = resolved(&base, location).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), Some(there), "{location}");
        }
        for none in ["ftp://two.org/x", "https://user:word@two.org/x", "https://"] {
            assert_eq!(resolved(&base, none), None, "{none}");
        }
    }

    #[test]
    fn passwords_are_in_no_error() {
        for url in [
            "https://ada:secret@one.org/x",
            "https://secret@one.org",
            "ada:secret@one.org/x",
            "https://ada:secret@one@one.org?y",
            "ftp://ada:secret@one.org/x",
        ] {
            let text = format!("{:?}", checked(url).unwrap_err());
            assert!(!text.contains("secret"), "{text}");
        }
        assert!(checked("https://one.org/a@b?c@d").is_ok());
    }
}
