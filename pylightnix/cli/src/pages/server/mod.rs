//! Sends pages: reads requests, and lets nothing through that these pages do not send.

mod answers;
mod bytes;
mod guards;
mod live;
mod streams;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, HeaderName};
use axum::response::Response;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use super::model::{Query, Reader};
use super::views;
use crate::draw::{State as BoxState, styles};
use answers::fault;
use guards::Guards;

/// The most threads that read from the store.
const THREADS: usize = 8;
/// The most threads of them that make pages which take long.
const HEAVY: usize = 2;

/// What a server needs.
pub(crate) struct Serving {
    pub(crate) listener: TcpListener,
    pub(crate) reader: Reader,
    /// The names that a request may call this machine by, beside those of the loopback and its addresses.
    pub(crate) hosts: Vec<String>,
    /// What requests have to know; `None` on the loopback.
    pub(crate) token: Option<String>,
}

/// What all requests share.
struct Shared {
    reader: Reader,
    store: String,
    guards: Guards,
    /// How many more pages may be made at a time that take long: others do not wait for them.
    heavy: Semaphore,
}

/// Serves until the process ends.
pub(crate) fn serve(serving: Serving) -> io::Result<()> {
    let Serving {
        listener,
        reader,
        hosts,
        token,
    } = serving;
    let address: SocketAddr = listener.local_addr()?;
    let shared = Arc::new(Shared {
        store: reader.name(),
        guards: Guards::new(address, hosts, token),
        heavy: Semaphore::new(HEAVY),
        reader,
    });
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .thread_name("pages")
        .build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let app = Router::new().fallback(answer).with_state(shared);
        axum::serve(listener, app).await
    })
}

/// Answers a request.
async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let header = |name| {
        head.headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let path = head.uri.path();
    let checked = shared.guards.check(&guards::Asked {
        method: &head.method,
        host: header(axum::http::header::HOST),
        origin: header(axum::http::header::ORIGIN),
        site: header(HeaderName::from_static("sec-fetch-site")),
        mode: header(HeaderName::from_static("sec-fetch-mode")),
        cookie: header(COOKIE),
        query: &query,
        path,
    });
    match checked {
        guards::Verdict::Through => {}
        guards::Verdict::Answer(response) => return *response,
    }
    let Some(path) = decoded(path) else {
        return fault(&shared.store, 400, "This is no address of a page.");
    };
    match path.as_str() {
        "/style.css" => {
            let css = format!("{}\n{}", styles(&BoxState::ALL), views::STYLES);
            return answers::bytes("text/css; charset=utf-8", css);
        }
        "/page.js" => return answers::bytes("text/javascript; charset=utf-8", views::SCRIPT),
        "/icon.svg" => return answers::bytes("image/svg+xml", views::ICON),
        _ => {}
    }
    if let Some(id) = path
        .strip_prefix("/run/")
        .and_then(|rest| rest.strip_suffix("/events"))
    {
        return live::events(shared.clone(), id.to_owned()).await;
    }
    // A graph may have all results in it.
    let _permit = match path == "/graph" {
        true => shared.heavy.acquire().await.ok(),
        false => None,
    };
    let reading = shared.clone();
    let read = tokio::task::spawn_blocking(move || bytes::answer(&reading, &path, &query)).await;
    read.unwrap_or_else(|_| fault(&shared.store, 500, "This page could not be made."))
}

/// Returns the path of an address; `None` for one that leads out of its folder, or is no text.
fn decoded(path: &str) -> Option<String> {
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()?;
    let is_out = path
        .split(['/', '\\'])
        .any(|part| part == ".." || part == ".");
    (!is_out && !path.contains('\0')).then(|| path.into_owned())
}

/// Returns a response with this body, without any header.
fn plain(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(kind));
    response
}
