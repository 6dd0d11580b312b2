//! Failed requests, and whether a retry can succeed.

use std::time::Duration;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Error as Refusal, Timeout};

use crate::Error;
use crate::units::text;

/// The reason why an attempt failed.
pub(super) enum AttemptError {
    /// A local error, which no server can solve.
    Here(Error),
    /// An error of the server or the network.
    There {
        /// The predicate of a sentence about the server.
        problem: String,
        /// Whether a retry may succeed.
        retry: bool,
        /// The value of `Retry-After`.
        after: Option<Duration>,
    },
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        AttemptError::Here(error)
    }
}

impl AttemptError {
    /// Makes a permanent fault, without retry.
    pub(super) fn permanent(problem: impl Into<String>) -> Self {
        AttemptError::There {
            problem: problem.into(),
            retry: false,
            after: None,
        }
    }

    /// Makes a temporary fault, with retry.
    pub(super) fn temporary(problem: impl Into<String>) -> Self {
        AttemptError::There {
            problem: problem.into(),
            retry: true,
            after: None,
        }
    }

    /// Makes a fault from an unsuccessful status.
    pub(super) fn status(status: StatusCode, headers: &HeaderMap) -> Self {
        let retry = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        let after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        AttemptError::There {
            problem: format!("answered `{status}`"),
            retry,
            after,
        }
    }

    /// Makes a fault from a request without a complete response.
    pub(super) fn request(refusal: Refusal, patience: f64) -> Self {
        match refusal {
            Refusal::Timeout(Timeout::Resolve | Timeout::Connect) => AttemptError::temporary(
                format!("could not be reached in {}", text::seconds(patience)),
            ),
            Refusal::Timeout(_) => {
                AttemptError::temporary(format!("sent nothing for {}", text::seconds(patience)))
            }
            Refusal::HostNotFound => AttemptError::temporary("has an unknown host name"),
            Refusal::TooManyRedirects => AttemptError::permanent("redirected more than 10 times"),
            Refusal::Io(error) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => AttemptError::temporary(
                    "refused the connection: no server listens at this address",
                ),
                // Includes invalid certificates.
                std::io::ErrorKind::InvalidData => {
                    AttemptError::permanent(format!("violated the protocol of the URL: {error}"))
                }
                std::io::ErrorKind::UnexpectedEof => {
                    AttemptError::temporary("closed the connection")
                }
                _ => AttemptError::temporary(format!("lost the connection: {error}")),
            },
            Refusal::Rustls(error) => {
                AttemptError::permanent(format!("has no valid certificate: {error}"))
            }
            other => AttemptError::permanent(format!("gave no valid response: {other}")),
        }
    }
}
