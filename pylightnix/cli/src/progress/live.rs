//! Shows a run as a live display on a terminal.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::capture::{Capture, Streams, copy_of_stderr};
use super::clean::visible;
use super::failures::cause;
use super::remote_text::{other_code, remote_failed};
use super::row::{Row, Shape};
use super::screen::Screen;
use super::state::{Running, State, Status, called};
use super::suspend::Suspend;
use super::tail::Tail;
use pylightnix::config::DRefId;
use pylightnix::internal::{ahead, text};
use pylightnix::realize::Event;

/// The interval between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// The maximum width of the names of stages.
const NAME: usize = 40;

/// The live display.
pub(super) struct Live {
    screen: Arc<Screen>,
    state: Arc<State>,
    capture: Capture,
    stop: Arc<Stop>,
    drawer: Mutex<Option<JoinHandle<()>>>,
    suspend: Mutex<Option<Suspend>>,
}

/// Stops the drawing thread.
#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Waits for the next drawing; returns `false` when the display ends.
    fn pause(&self) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .wake
            .wait_timeout_while(stopped, PAUSE, |stopped| !*stopped);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}

impl Live {
    /// Starts the display; returns `None` if another one is active or the system refuses.
    pub(super) fn begin(state: &Arc<State>, colors: bool) -> Option<Self> {
        let screen = Arc::new(Screen::on(copy_of_stderr().ok()?));
        let above = {
            let screen = screen.clone();
            move |lines: Vec<String>| screen.print_above(&lines)
        };
        let capture = Capture::begin(Streams::Terminals, above).ok()?;
        pylightnix::trace::log_panics();
        // The display works without handlers for SIGTSTP and SIGCONT.
        let suspend = Mutex::new(Suspend::of(&screen).ok());
        let stop = Arc::new(Stop::default());
        let drawer = {
            let mut frame = Frame::new(colors);
            let (screen, state, stop) = (screen.clone(), state.clone(), stop.clone());
            let draw = move || {
                loop {
                    state.ask();
                    frame.draw(&screen, &state);
                    if !stop.pause() {
                        break;
                    }
                }
            };
            let thread = thread::Builder::new().name("display".to_owned());
            thread.spawn(draw).ok()
        };
        Some(Live {
            suspend,
            screen,
            state: state.clone(),
            capture,
            stop,
            drawer: Mutex::new(drawer),
        })
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::EarlierResults { results, .. } => format!("note    {results}"),
            Event::MemoryLimited { guard, .. } => format!("note    {guard}"),
            Event::Failed { dref, error, .. } => {
                format!("failed  {}: {error}", self.state.called(dref, 0))
            }
            Event::Overdue { error, .. } | Event::LookedLate { error, .. } => error.to_string(),
            Event::RemoteFailed {
                remote,
                error,
                is_out,
                ..
            } => remote_failed(remote, error, *is_out),
            Event::OtherCode {
                dref,
                remote,
                results,
                why,
                ..
            } => other_code(&self.state.called(dref, 0), remote, *results, why),
            Event::AheadOfClock { rref, ended, .. } => format!("note    {}", ahead(rref, *ended)),
            Event::Retrying {
                dref,
                attempt,
                left,
                error,
                ..
            } => {
                let cause = cause(error);
                format!(
                    "retry   {}: try {attempt} failed, {left} left: {cause}",
                    self.state.called(dref, 0)
                )
            }
            Event::Stopping { .. } => {
                // A second Ctrl-C ends the program at once, so leave the cursor below the display.
                self.screen.stay_below();
                self.capture.disinherit();
                return;
            }
            _ => return,
        };
        self.above(&line);
    }

    /// Prints text above the display.
    pub(super) fn above(&self, text: &str) {
        let lines: Vec<_> = text.lines().map(|line| visible(line, false)).collect();
        self.screen.print_above(&lines);
    }

    /// Removes the display, and restores standard output and standard error.
    pub(super) fn end(&self) {
        let drawer = self
            .drawer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(drawer) = drawer {
            self.stop.stop();
            let _ = drawer.join();
            self.screen.clear();
        }
        drop(
            self.suspend
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.capture.end();
    }
}

/// The rows of the display, with the state that lasts from one drawing to the next.
struct Frame {
    colors: bool,
    whole: Row,
    stages: HashMap<(DRefId, usize), Stage>,
}

/// The width of the drawing of a series.
const DRAWING: usize = 12;

struct Stage {
    row: Row,
    tail: Option<Tail>,
}

impl Frame {
    fn new(colors: bool) -> Self {
        Frame {
            colors,
            whole: Row::new(Shape::Whole, colors),
            stages: HashMap::new(),
        }
    }

    fn draw(&mut self, screen: &Screen, state: &State) {
        let size = screen.size();
        // Terminals differ in how they wrap after the last column, so it stays empty.
        let width = size.width.saturating_sub(1);
        let status = state.status();
        let now = Instant::now();
        let reused = NotBuilt {
            reused: state.reused.load(Relaxed),
            carried: state.carried.load(Relaxed),
            fetched: state.fetched.load(Relaxed),
        };
        let whole = whole(&status, reused, now);
        let mut rows = vec![self.whole.text(String::new(), whole, None, width)];

        let room = usize::from(size.height.saturating_sub(4)).max(1);
        let name = |running: &Running| called(status.labels(), &running.dref, running.index);
        let names: Vec<String> = status.running.iter().map(name).collect();
        let widest = names.iter().map(|name| name.chars().count()).max();
        let widest = widest.unwrap_or_default().min(NAME);
        let shown = match status.running.len() {
            all if all > room => room - 1,
            all => all,
        };
        for (running, name) in status.running.iter().zip(&names).take(shown) {
            rows.push(self.stage(running, name, widest, width, now));
        }
        if shown < status.running.len() {
            rows.push(format!("  and {} more", status.running.len() - shown));
        }
        self.stages.retain(|(dref, index), _| {
            let mut running = status.running.iter();
            running.any(|one| one.index == *index && one.dref == *dref)
        });
        drop(status);
        screen.draw(rows);
    }

    fn stage(
        &mut self,
        running: &Running,
        name: &str,
        widest: usize,
        width: u16,
        now: Instant,
    ) -> String {
        let measure = match running.progress {
            Some((done, Some(total))) => Some((done, total)),
            _ => None,
        };
        let shape = match measure {
            Some(_) => Shape::Measured,
            None => Shape::Stage,
        };
        let key = (running.dref.clone(), running.index);
        let stage = self.stages.entry(key).or_insert_with(|| Stage {
            row: Row::new(shape, self.colors),
            tail: None,
        });
        if stage.row.shape() != shape {
            stage.row = Row::new(shape, self.colors);
        }
        if let Some(log) = &running.log
            && stage.tail.as_ref().is_none_or(|tail| !tail.is_of(log))
        {
            stage.tail = Some(Tail::of(log));
        }
        let name: String = name.chars().take(NAME).collect();
        let took = text::clock(now.saturating_duration_since(running.since));
        let mut message = match running.progress {
            Some((done, None)) => format!("{done}  "),
            _ => String::new(),
        };
        if let Some(series) = &running.series {
            message.push_str(&series.drawn(DRAWING));
            message.push_str("  ");
        }
        match (&running.note, &mut stage.tail) {
            (Some(note), _) => message.push_str(&visible(note, false)),
            (None, Some(tail)) => message.push_str(tail.line()),
            (None, None) => {}
        }
        let prefix = format!("{name:widest$} {took:>5} ");
        stage.row.text(prefix, message, measure, width)
    }
}

/// The numbers of stages that were not built.
struct NotBuilt {
    reused: usize,
    carried: usize,
    fetched: usize,
}

/// Returns the summary line of the whole run.
fn whole(status: &Status, not_built: NotBuilt, now: Instant) -> String {
    let NotBuilt {
        reused,
        carried,
        fetched,
    } = not_built;
    let Status {
        stages,
        built,
        failed,
        cancelled,
        ..
    } = status;
    let to_build = stages.saturating_sub(reused + carried + fetched + built + failed + cancelled);
    let mut counts = vec![format!("{built} built"), format!("{to_build} to build")];
    if reused > 0 {
        counts.push(format!("{reused} reused"));
    }
    if carried > 0 {
        counts.push(format!("{carried} carried"));
    }
    if fetched > 0 {
        counts.push(format!("{fetched} fetched"));
    }
    if *failed > 0 {
        counts.push(format!("{failed} failed"));
    }
    if let Some(tasks) = &status.tasks {
        counts.push(tasks.clone());
    } else if !status.waiting.is_empty() {
        counts.push(format!("{} waiting", status.waiting.len()));
    }
    let took = text::clock(now.saturating_duration_since(status.begun));
    let left = match status.time_left(to_build, now) {
        _ if status.stopping => String::new(),
        None => String::new(),
        // A lower bound below a second is of no use.
        Some(left) if left.is_least && left.time < Duration::from_secs(1) => String::new(),
        Some(left) if left.is_least => format!(", at least {} left", text::clock(left.time)),
        Some(left) => format!(", about {} left", text::clock(left.time)),
    };
    let stopping = match (status.stopping, status.running.len()) {
        (false, _) => String::new(),
        (true, 0) => "stopping: ".to_owned(),
        (true, 1) => "stopping, 1 stage still runs (Ctrl-C ends it at once): ".to_owned(),
        (true, more) => format!("stopping, {more} stages still run (Ctrl-C ends them at once): "),
    };
    format!("{stopping}{}  {took}{left}", counts.join(", "))
}
