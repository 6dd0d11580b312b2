//! Programs in a pseudo-terminal, and the screen that a person would see.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read as _, Write};
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program that runs in a pseudo-terminal, killed on drop.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    shown: Arc<Shown>,
    reader: Option<JoinHandle<()>>,
}

struct Shown {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

fn size(columns: u16, lines: u16) -> PtySize {
    PtySize {
        rows: lines,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn some(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a terminal with room")
}

impl Terminal {
    /// Starts a program in a terminal of this size.
    #[must_use]
    pub fn start(program: CommandBuilder, columns: u16, lines: u16) -> Self {
        let system = native_pty_system();
        let pair = system.openpty(size(columns, lines)).expect("a terminal");
        let child = pair.slave.spawn_command(program).expect("the program");
        // Otherwise the end of the program would not be visible here.
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().expect("its output");
        let keyboard = pair.master.take_writer().expect("its input");
        let shown = Arc::new(Shown {
            now: Mutex::new(Now {
                parser: vt100::Parser::new(some(lines), some(columns), 0),
                raw: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        let reader = {
            let shown = shown.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                // Reading fails when the program has exited.
                while let Ok(read) = output.read(&mut buffer)
                    && read > 0
                {
                    let mut now = shown.now.lock().expect("no reader panicked");
                    now.parser.process(&buffer[..read]);
                    now.raw.extend_from_slice(&buffer[..read]);
                    shown.changed.notify_all();
                }
            })
        };
        Terminal {
            child,
            master: pair.master,
            keyboard,
            shown,
            reader: Some(reader),
        }
    }

    /// Returns the screen, without trailing spaces and trailing empty lines.
    #[must_use]
    pub fn screen(&self) -> String {
        let now = self.shown.now.lock().expect("no reader panicked");
        screen(&now)
    }

    /// Returns the screen with escape sequences for colours only.
    #[must_use]
    pub fn in_colours(&self) -> String {
        let now = self.shown.now.lock().expect("no reader panicked");
        now.parser.screen().contents_formatted_basic()
    }

    /// Returns the line of the cursor, from 0.
    #[must_use]
    pub fn cursor(&self) -> usize {
        let now = self.shown.now.lock().expect("no reader panicked");
        now.parser.screen().cursor_position().0.into()
    }

    /// Returns all received bytes from the offset `from` on.
    #[must_use]
    pub fn raw(&self, from: usize) -> Vec<u8> {
        let now = self.shown.now.lock().expect("no reader panicked");
        now.raw[from..].to_vec()
    }

    /// Waits until the screen satisfies the condition, and returns the screen.
    ///
    /// # Panics
    /// Panics after a timeout.
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        self.wait(|now| {
            let screen = screen(now);
            match is_so(&screen) {
                true => Ok(screen),
                false => Err(format!("no {what} on:\n{screen}")),
            }
        })
    }

    /// Waits until `look` succeeds; its error describes the current state.
    fn wait<T>(&self, look: impl Fn(&Now) -> Result<T, String>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut now = self.shown.now.lock().expect("no reader panicked");
        loop {
            match look(&now) {
                Ok(found) => return found,
                Err(instead) => assert!(Instant::now() < deadline, "{instead}"),
            }
            let wait = Duration::from_millis(200);
            now = self
                .shown
                .changed
                .wait_timeout(now, wait)
                .expect("no reader panicked")
                .0;
        }
    }

    /// Waits until the text is on the screen.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Waits until these bytes were received after the offset `from`, and returns the offset after them.
    ///
    /// # Panics
    /// Panics after a timeout.
    pub fn wait_for_sent(&self, from: usize, bytes: &str) -> usize {
        self.wait(|now| {
            let mut windows = now.raw[from..].windows(bytes.len());
            match windows.position(|window| window == bytes.as_bytes()) {
                Some(at) => Ok(from + at + bytes.len()),
                None => Err(format!("{bytes:?} is not sent")),
            }
        })
    }

    /// Waits until `more` further bytes were received, that is, until the display is drawn again.
    ///
    /// # Panics
    /// Panics after a timeout.
    pub fn wait_for_bytes(&self, more: usize) {
        let now = self.shown.now.lock().expect("no reader panicked").raw.len();
        self.wait(|then| match then.raw.len() < now + more {
            true => Err("nothing more is drawn".to_owned()),
            false => Ok(()),
        });
    }

    /// Types keys; `\x03` is Ctrl-C.
    pub fn type_keys(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the keyboard");
        self.keyboard.flush().expect("the keyboard");
    }

    /// Resizes the terminal. Existing lines are not rewrapped.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        let mut now = self.shown.now.lock().expect("no reader panicked");
        now.parser.screen_mut().set_size(some(lines), some(columns));
        drop(now);
        self.master
            .resize(size(columns, lines))
            .expect("another size");
    }

    /// Waits for the end of the program; returns the exit status and the final screen.
    ///
    /// # Panics
    /// Panics if waiting fails.
    pub fn end(&mut self) -> (u32, String) {
        let status = self.child.wait().expect("its end");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panicked");
        }
        (status.exit_code(), self.screen())
    }
}

fn screen(now: &Now) -> String {
    let contents = now.parser.screen().contents();
    let lines: Vec<_> = contents.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
