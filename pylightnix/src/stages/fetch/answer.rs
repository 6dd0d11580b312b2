//! What a server answered, and whether it is worth asking again.

use std::time::Duration;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Error as Refusal, Timeout};

use crate::Error;

/// Why a try gave nothing.
pub(super) enum Fault {
    /// This machine refused: no server can help.
    Here(Error),
    /// The server, or the way to it.
    There {
        /// What it did, after "it".
        why: String,
        /// Whether it may do better the next time.
        again: bool,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Here(error)
    }
}

impl Fault {
    /// It will do the same the next time.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Fault::There {
            why: why.into(),
            again: false,
            after: None,
        }
    }

    /// It may do better the next time.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Fault::There {
            why: why.into(),
            again: true,
            after: None,
        }
    }

    /// A status that brings no file.
    pub(super) fn status(status: StatusCode, headers: &HeaderMap) -> Self {
        let again = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        let after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        Fault::There {
            why: format!("answered `{status}`"),
            again,
            after,
        }
    }

    /// A request that got no answer, or an answer that broke off.
    pub(super) fn request(refusal: Refusal, patience: f64) -> Self {
        match refusal {
            Refusal::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Fault::passing(format!("could not be reached in {patience} s"))
            }
            Refusal::Timeout(_) => Fault::passing(format!("sent nothing for {patience} s")),
            Refusal::HostNotFound => Fault::passing("has no address: no such server is known"),
            Refusal::TooManyRedirects => {
                Fault::lasting("sent this from address to address without end (10 redirects)")
            }
            Refusal::Io(error) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => {
                    Fault::passing("refused the connection: no server listens there")
                }
                // Certificates that prove nothing come so as well.
                std::io::ErrorKind::InvalidData => Fault::lasting(format!(
                    "did not keep to the protocol of its address: {error}"
                )),
                std::io::ErrorKind::UnexpectedEof => Fault::passing("broke off"),
                _ => Fault::passing(format!("broke off: {error}")),
            },
            Refusal::Rustls(error) => {
                Fault::lasting(format!("cannot prove that it is the right one: {error}"))
            }
            other => Fault::lasting(format!("gave no answer that can be used: {other}")),
        }
    }
}
