//! Addresses, and what may not be in them.

use ureq::http::Uri;

use crate::{BoxError, Error, ErrorKind, Result};

/// Checks that this is an address from which something can be fetched. Errors name no password.
pub(super) fn checked(url: &str) -> Result<Uri> {
    let (shown, has_user) = without_user(url);
    let fault = |why: &str| {
        Error::new(
            ErrorKind::Config,
            format!("cannot fetch from {shown:?}: {why}"),
        )
    };
    let help = "give an address that begins with `https://` or `http://`";
    if has_user {
        return Err(fault(
            "it has a user or a password in it, which would be written into the config of each result",
        )
        .help(
            "leave out what stands before the `@`; a line `machine HOST login USER password PASSWORD` in `~/.netrc`, or \
             `Fetched::headers` with a token from an environment variable, give it at run time",
        ));
    }
    let uri: Uri = url.parse().map_err(|error| {
        fault("it is no address")
            .because(BoxError::from(error))
            .help(help)
    })?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some(other), _) if other != "http" && other != "https" => {
            Err(fault(&format!("`{other}` is a protocol that is not known here")).help(help))
        }
        _ => Err(fault("it names no server").help(help)),
    }
}

/// The address without a user and a password, and whether it had any.
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

/// Whom a request is sent to: nobody else may know what is secret between the two.
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

/// Where `location` leads from `base` (RFC 3986, 5.2, with dots left to the server); nothing if it is no address.
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
