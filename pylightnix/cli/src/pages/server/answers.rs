//! Responses with the headers that keep what is from outside from doing anything.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HeaderName,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::Response;

use super::plain;
use crate::pages::views::{self, Page};

/// What a page may load: its own files, and images that are in it.
const PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                    frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// An artifact that is an image, also when it is opened by itself.
const IMAGE: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/// An artifact that is a page: its scripts run, without an origin, and reach nothing.
const SANDBOX: &str = "sandbox allow-scripts; default-src 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'; base-uri 'none'; \
                       frame-ancestors 'self'";

/// Adds what every response has.
pub(super) fn guarded(mut response: Response, policy: &'static str) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_SECURITY_POLICY, policy);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "same-origin");
    set(CACHE_CONTROL, "no-store");
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if policy == PAGE {
        set(X_FRAME_OPTIONS, "DENY");
    }
    response
}

/// A page.
pub(super) fn page(store: &str, status: u16, page: &Page) -> Response {
    let html = views::framed(store, page);
    guarded(plain(status, "text/html; charset=utf-8", html), PAGE)
}

/// A page that says what went wrong.
pub(super) fn fault(store: &str, status: u16, text: &str) -> Response {
    let title = match status {
        400 => "Not understood",
        403 => "Refused",
        404 => "Not found",
        _ => "It did not work",
    };
    page(store, status, &views::fault(title, text))
}

/// A file of the pages themselves.
pub(super) fn bytes(kind: &'static str, body: impl Into<Body>) -> Response {
    guarded(plain(200, kind, body), PAGE)
}

/// The bytes of an artifact: as an image, a page in a sandbox or a text, and anything else to be kept as a file.
pub(super) fn artifact(path: &str, body: Body, size: u64) -> Response {
    let end = path
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (kind, policy, is_shown) = match end.as_str() {
        "png" => ("image/png", IMAGE, true),
        "jpg" | "jpeg" => ("image/jpeg", IMAGE, true),
        "gif" => ("image/gif", IMAGE, true),
        "webp" => ("image/webp", IMAGE, true),
        "avif" => ("image/avif", IMAGE, true),
        "bmp" => ("image/bmp", IMAGE, true),
        "svg" => ("image/svg+xml", IMAGE, true),
        "html" | "htm" => ("text/html; charset=utf-8", SANDBOX, true),
        "txt" | "log" | "json" | "csv" | "md" => ("text/plain; charset=utf-8", IMAGE, true),
        _ => ("application/octet-stream", IMAGE, false),
    };
    let mut response = sized(guarded(plain(200, kind, body), policy), size);
    if !is_shown {
        let attachment = HeaderValue::from_static("attachment");
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, attachment);
    }
    response
}

/// A text from outside.
pub(super) fn text(body: Body, size: u64) -> Response {
    let response = guarded(plain(200, "text/plain; charset=utf-8", body), IMAGE);
    sized(response, size)
}

fn sized(mut response: Response, size: u64) -> Response {
    response.headers_mut().insert(CONTENT_LENGTH, size.into());
    response
}

/// Events, as they come.
pub(super) fn events(body: Body) -> Response {
    guarded(plain(200, "text/event-stream", body), PAGE)
}

/// Sends the reader to another page.
pub(super) fn redirect(to: &str) -> Response {
    let mut response = guarded(plain(303, "text/plain; charset=utf-8", ""), PAGE);
    if let Ok(to) = HeaderValue::from_str(to) {
        response
            .headers_mut()
            .insert(axum::http::header::LOCATION, to);
    }
    response
}
