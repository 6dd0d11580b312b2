//! Who may read the pages: requests of this machine, or with the token, that were meant for this server.

use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};

use super::answers::{guarded, redirect};
use super::plain;
use crate::pages::model::Query;

/// The key of the token in an address.
pub(super) const TOKEN: &str = "token";

/// What a request has to have.
pub(super) struct Guards {
    address: SocketAddr,
    hosts: Vec<String>,
    token: Option<String>,
}

/// The parts of a request that are checked.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    /// Where the browser says that the request comes from, and for what: `Sec-Fetch-Site` and `Sec-Fetch-Mode`.
    pub(super) site: Option<&'a str>,
    pub(super) mode: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
    pub(super) query: &'a Query,
    pub(super) path: &'a str,
}

/// What is done with a request.
pub(super) enum Verdict {
    Through,
    Answer(Box<Response>),
}

impl Guards {
    pub(super) fn new(address: SocketAddr, hosts: Vec<String>, token: Option<String>) -> Self {
        Guards {
            address,
            hosts,
            token,
        }
    }

    pub(super) fn check(&self, asked: &Asked<'_>) -> Verdict {
        if *asked.method != Method::GET && *asked.method != Method::HEAD {
            return refused(
                405,
                "These pages are only read: GET and HEAD are all that they answer.",
            );
        }
        // A page of another site that has this machine's address for its own name would be let in by a browser.
        let Some(host) = asked.host.filter(|host| self.is_known(host)) else {
            return refused(
                403,
                "The request was meant for another host. `--host NAME` allows a name.",
            );
        };
        // A picture or script of another site's page has no origin; a link there may lead here.
        let is_of_others = matches!(asked.site, Some("cross-site" | "same-site"));
        if is_of_others && asked.mode != Some("navigate") {
            return refused(403, "The request came from a page of another site.");
        }
        if asked.origin.is_some_and(|origin| {
            origin != format!("http://{host}") && origin != format!("https://{host}")
        }) {
            return refused(403, "The request came from a page of another site.");
        }
        let Some(token) = &self.token else {
            return Verdict::Through;
        };
        if asked
            .query
            .first(TOKEN)
            .is_some_and(|given| is_same(given, token))
        {
            // The cookie goes with later requests, so that the token is in no other address.
            let to = format!("{}{}", asked.path, asked.query.without(TOKEN));
            let mut response = redirect(&to);
            // A link in a chat or in a mail may lead here.
            let name = self.cookie();
            let cookie = format!("{name}={token}; HttpOnly; SameSite=Lax; Path=/");
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            return Verdict::Answer(Box::new(response));
        }
        let cookies = asked.cookie.unwrap_or_default().split(';');
        let mut given = cookies.filter_map(|cookie| cookie.trim().split_once('='));
        let name = self.cookie();
        match given.any(|(key, given)| key == name && is_same(given, token)) {
            true => Verdict::Through,
            false => refused(
                403,
                "The address has no valid token: `serve` prints the one that has.",
            ),
        }
    }

    /// Returns the name of the cookie. Cookies are of a host, not of a port: another server of this machine has its own.
    fn cookie(&self) -> String {
        format!("{TOKEN}-{}", self.address.port())
    }

    /// Returns whether a request may call this server so.
    fn is_known(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port))
                if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                (name, port.parse().ok())
            }
            _ => (host, Some(80)),
        };
        if self
            .hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            return true;
        }
        if port != Some(self.address.port()) {
            return false;
        }
        if name.eq_ignore_ascii_case("localhost") {
            return self.address.ip().is_loopback() || self.address.ip().is_unspecified();
        }
        // Names are what others can point at this machine; addresses are not.
        let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        address.is_some_and(|address| match self.address.ip() {
            own if own.is_unspecified() => true,
            own if own.is_loopback() => address.is_loopback(),
            own => own == address,
        })
    }
}

/// Compares in a time that does not tell how much of it is right.
fn is_same(given: &str, token: &str) -> bool {
    let pairs = given.bytes().zip(token.bytes());
    let differ = pairs.fold(0, |differ, (one, other)| differ | (one ^ other));
    given.len() == token.len() && differ == 0
}

fn refused(status: u16, text: &'static str) -> Verdict {
    let response = plain(status, "text/plain; charset=utf-8", format!("{text}\n"));
    Verdict::Answer(Box::new(guarded(response, "default-src 'none'")))
}
