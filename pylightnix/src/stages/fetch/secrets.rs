//! Credentials for servers, which are read at run time and written nowhere.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::collections::BTreeMap;
use std::env;
use ureq::http::{HeaderName, HeaderValue, Uri, header};

use super::address::Server;
use super::netrc::Netrc;
use crate::{BoxError, Error, ErrorKind, Result};

/// The headers for the server of the URL, and the passwords from the netrc file.
pub(super) struct Secrets {
    home: Server,
    headers: Vec<(HeaderName, HeaderValue)>,
    netrc: Netrc,
}

impl Secrets {
    /// Reads the credentials for `url`. `headers` are those of the config.
    pub(super) fn of(url: &Uri, headers: &BTreeMap<String, String>) -> Result<Self> {
        let headers = headers.iter().map(|(name, value)| read(name, value));
        Ok(Secrets {
            home: Server::of(url),
            headers: headers.collect::<Result<_>>()?,
            netrc: Netrc::of_user()?,
        })
    }

    /// Returns the headers of a request to `uri`, which was redirected there from `first`. The config's headers are sent
    /// only to the server of the URL, and not after a redirect from another one. Passwords are not sent over `http` after a
    /// redirect from `https`.
    pub(super) fn for_request(&self, uri: &Uri, first: &Uri) -> Vec<(HeaderName, HeaderValue)> {
        let (server, origin) = (Server::of(uri), Server::of(first));
        let mut sent = Vec::new();
        if server == origin && server == self.home {
            sent.extend(self.headers.iter().cloned());
        }
        let has_authorization = sent.iter().any(|(name, _)| name == header::AUTHORIZATION);
        let is_downgrade = origin.is_secure && !server.is_secure;
        if !has_authorization
            && !is_downgrade
            && let Some((login, password)) = self.netrc.of(&server.host)
        {
            let word = BASE64_STANDARD.encode(format!("{login}:{password}"));
            if let Ok(mut value) = HeaderValue::try_from(format!("Basic {word}")) {
                value.set_sensitive(true);
                sent.push((header::AUTHORIZATION, value));
            }
        }
        sent
    }
}

/// Makes a header, and substitutes environment variables in its value.
fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let fault = |problem: String| {
        Error::new(
            ErrorKind::Config,
            format!("the header `{name}` of a download {problem}"),
        )
    };
    let key = HeaderName::try_from(name)
        .map_err(|error| fault("has an invalid name".to_owned()).because(BoxError::from(error)))?;
    let value = substituted(value, |variable| match env::var(variable) {
        Ok(value) => Ok(value),
        Err(env::VarError::NotPresent) => Err(fault(format!(
            "takes its value from the environment variable `{variable}`, which is not set"
        ))
        .with_help("set it for the run; it does not become part of the result")),
        Err(env::VarError::NotUnicode(_)) => Err(fault(format!(
            "takes its value from the environment variable `{variable}`, which is not valid UTF-8"
        ))),
    })?;
    // The value may be a secret: do not show it in errors.
    let mut value = HeaderValue::try_from(value.trim())
        .map_err(|_| fault("has an invalid value".to_owned()))?;
    value.set_sensitive(true);
    Ok((key, value))
}

/// Replaces each `$NAME` and `${NAME}` by the result of `lookup`, and `$$` by a dollar sign.
fn substituted(text: &str, lookup: impl Fn(&str) -> Result<String>) -> Result<String> {
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut substituted = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        substituted.push_str(before);
        let (name, left) = match after
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
        {
            Some((name, left)) => (name, left),
            None => after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len())),
        };
        rest = left;
        match name {
            "" => {
                substituted.push('$');
                rest = left.strip_prefix('$').unwrap_or(left);
            }
            name => substituted.push_str(&lookup(name)?),
        }
    }
    substituted.push_str(rest);
    Ok(substituted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_filled_in() {
        let lookup = |name: &str| Ok(format!("<{name}>"));
        for (text, wanted) in [
            ("Bearer $TOKEN", "Bearer <TOKEN>"),
            ("${A}b$C-d", "<A>b<C>-d"),
            ("$$5 $", "$5 $"),
            ("none", "none"),
        ] {
            assert_eq!(substituted(text, lookup).unwrap(), wanted);
        }
    }

    #[test]
    fn nobody_else_gets_them() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let home = uri("https://one.org/x");
        let mut secrets = Secrets {
            home: Server::of(&home),
            headers: vec![(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"))],
            netrc: Netrc::default(),
        };
        let sent = |secrets: &Secrets, to: &str, first: &str| {
            secrets.for_request(&uri(to), &uri(first)).len()
        };
        assert_eq!(sent(&secrets, "https://one.org/y", "https://one.org/x"), 1);
        for (to, first) in [
            ("https://two.org/x", "https://one.org/x"),
            ("http://one.org/x", "https://one.org/x"),
            ("https://one.org:8443/x", "https://one.org/x"),
            ("https://one.org/x", "https://mirror.org/x"),
            ("https://mirror.org/x", "https://mirror.org/x"),
        ] {
            assert_eq!(sent(&secrets, to, first), 0, "{first} -> {to}");
        }
        secrets.netrc = Netrc::parse("machine two.org login ada password x");
        assert_eq!(sent(&secrets, "https://two.org/x", "https://one.org/x"), 1);
        assert_eq!(sent(&secrets, "http://two.org/x", "https://one.org/x"), 0);
        assert_eq!(sent(&secrets, "http://two.org/x", "http://two.org/y"), 1);
    }
}
