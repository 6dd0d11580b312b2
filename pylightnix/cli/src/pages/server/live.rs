//! Runs as they go on, as server-sent events: `state` with the HTML of what changed, and `end`.

use axum::body::{Body, Bytes};
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::streams::Receiving;
use super::{Shared, answers};
use crate::exit::CommandResult;
use crate::pages::model::RunFollower;
use crate::pages::views;

/// The bytes of an event.
type Event = Result<Bytes, Infallible>;

/// How often it is looked for something new.
const EVERY: Duration = Duration::from_millis(400);
/// After this many looks without news, a line keeps the connection.
const SILENT: u32 = 25;

/// Sends the events of a run until the run ends, or until the client closes the connection.
pub(super) async fn events(shared: Arc<Shared>, id: String) -> Response {
    let opened = shared.clone();
    let opened = tokio::task::spawn_blocking(move || RunFollower::named(&opened.reader, &id)).await;
    let Ok(Ok(run)) = opened else {
        return answers::fault(&shared.store, 404, "There is no such run.");
    };
    // A slow listener gets what is new when it comes back for it: nothing waits in memory.
    let (to, from) = mpsc::channel(1);
    tokio::spawn(follow(shared, run, to));
    answers::events(Body::from_stream(Receiving(from)))
}

async fn follow(shared: Arc<Shared>, mut run: RunFollower, to: mpsc::Sender<Event>) {
    let mut sent = String::new();
    let mut silent = 0;
    loop {
        let reading = shared.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let looked = look(&reading, &mut run);
            (run, looked)
        });
        // The run was removed, or the server ends.
        let Ok((next, Ok((state, is_running)))) = looked.await else {
            return;
        };
        run = next;
        silent += 1;
        if state != sent {
            silent = 0;
            if to.send(event("state", &state)).await.is_err() {
                return;
            }
            sent = state;
        }
        if !is_running {
            let _ = to.send(event("end", "")).await;
            return;
        }
        if silent >= SILENT {
            silent = 0;
            if to
                .send(Ok(Bytes::from_static(b": it goes on\n\n")))
                .await
                .is_err()
            {
                return;
            }
        }
        sleep(EVERY).await;
    }
}

/// Returns the state of a run as HTML, and whether it goes on.
fn look(shared: &Shared, run: &mut RunFollower) -> CommandResult<(String, bool)> {
    // First, so that nothing is written after the last look at a run that has ended.
    let is_running = run.is_running()?;
    run.advance()?;
    let page = run.page(&shared.reader)?;
    Ok((views::run_state(&page).into_string(), is_running))
}

fn event(name: &str, data: &str) -> Event {
    let lines: String = data
        .split('\n')
        .map(|line| format!("data: {line}\n"))
        .collect();
    Ok(Bytes::from(format!("event: {name}\n{lines}\n")))
}
