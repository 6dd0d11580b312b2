//! Queries the capabilities of the terminal.
//!
//! The queries are those of DEC and xterm (<https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>): primary device
//! attributes (DA1), which every terminal answers, and graphics attributes (XTSMGRAPHICS), which terminals may ignore.

use std::io::{self, IsTerminal as _, Stdin, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::process::getpgrp;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

/// The timeout of an answer: long, since the terminal may be on another machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// The query of primary device attributes.
const WHAT_ARE_YOU: &str = "\x1b[c";
/// The query of the number of colour registers and the largest picture; DA1 follows, since every terminal answers it.
const WHICH_GRAPHICS: &str = "\x1b[?1;1;0S\x1b[?2;1;0S\x1b[c";

/// The maximum length of an answer.
const LONGEST: usize = 4096;

/// The sixel support of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sixels {
    /// The maximum number of colours of a picture.
    pub(super) colours: usize,
    /// The size of the largest picture, if the terminal reports it.
    pub(super) largest: Option<(usize, usize)>,
}

/// Queries the sixel support of the terminal. Returns `None` without a query if standard input and output are not the
/// terminal that controls this process.
pub(super) fn sixels(out: &mut impl Write) -> io::Result<Option<Sixels>> {
    let (input, output) = (io::stdin(), io::stdout());
    let is_ours = input.is_terminal()
        && output.is_terminal()
        && fstat(&input)?.st_rdev == fstat(&output)?.st_rdev
        // A background process that changes the terminal is stopped.
        && tcgetpgrp(&input).is_ok_and(|group| group == getpgrp());
    if !is_ours || std::env::var("TERM").is_ok_and(|term| term == "dumb") {
        return Ok(None);
    }
    out.flush()?;
    let mut raw = Raw::on(input)?;
    let Some(answer) = raw.ask(WHAT_ARE_YOU, out)? else {
        return Ok(None);
    };
    if !attributes(&answer).is_some_and(|mut known| known.any(|number| number == 4)) {
        return Ok(None);
    }
    let answer = raw.ask(WHICH_GRAPHICS, out)?.unwrap_or_default();
    Ok(Some(graphics(&answer)))
}

/// A guard: the terminal delivers input unbuffered and without echo, until the guard is dropped or a signal
/// ends the program.
struct Raw {
    input: Stdin,
    before: Termios,
    signal: Arc<AtomicUsize>,
    restored: Arc<AtomicBool>,
    /// Whether an answer may still arrive.
    is_late: bool,
}

impl Raw {
    fn on(input: Stdin) -> io::Result<Self> {
        let raw = Raw {
            before: tcgetattr(&input)?,
            input,
            signal: Arc::default(),
            restored: Arc::default(),
            is_late: false,
        };
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            // A signal takes effect only after the terminal is restored.
            flag::register_conditional_default(signal, raw.restored.clone())?;
            flag::register_usize(signal, raw.signal.clone(), signal.unsigned_abs() as usize)?;
        }
        let mut modes = raw.before.clone();
        // Output modes stay as they are.
        modes.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::ICRNL | InputModes::IXON;
        tcsetattr(&raw.input, OptionalActions::Now, &modes)?;
        Ok(raw)
    }

    /// Sends a query, and returns all input up to the end of the DA1 answer.
    fn ask(&mut self, question: &str, out: &mut impl Write) -> io::Result<Option<Vec<u8>>> {
        out.write_all(question.as_bytes())?;
        out.flush()?;
        let deadline = Instant::now() + PATIENCE;
        let mut answer = Vec::new();
        while attributes(&answer).is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || answer.len() > LONGEST || self.signal.load(SeqCst) != 0 {
                self.is_late = true;
                return Ok(None);
            }
            let wait = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::new(&self.input, PollFlags::IN)];
            match poll(&mut fds, Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            // Not through `Stdin`, whose buffer would keep surplus input.
            let mut buffer = [0; 256];
            let read = rustix::io::read(&self.input, &mut buffer)?;
            // The end of input, or Ctrl-C, which sends no signal in this mode.
            if read == 0 || buffer[..read].contains(&3) {
                let signal = if read == 0 { SIGHUP } else { SIGINT };
                self.signal.store(signal.unsigned_abs() as usize, SeqCst);
            }
            answer.extend_from_slice(&buffer[..read]);
        }
        Ok(Some(answer))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let when = match self.is_late {
            // A late answer must not look like typed input.
            true => OptionalActions::Flush,
            false => OptionalActions::Now,
        };
        // Errors of a terminal that is gone are ignored.
        let _ = tcsetattr(&self.input, when, &self.before);
        self.restored.store(true, SeqCst);
        let signal = self.signal.load(SeqCst);
        if let Ok(signal @ 1..) = i32::try_from(signal) {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}

/// Parses the numbers of an answer `CSI ? Pn ; .. c`.
fn attributes(answer: &[u8]) -> Option<impl Iterator<Item = usize>> {
    reports(answer)
        .find(|(_, end)| *end == 'c')
        .map(|(numbers, _)| numbers.into_iter())
}

/// Parses the answers `CSI ? item ; 0 ; value .. S`.
fn graphics(answer: &[u8]) -> Sixels {
    let mut known = Sixels {
        colours: 256,
        largest: None,
    };
    for (numbers, end) in reports(answer) {
        match (&numbers[..], end) {
            ([1, 0, colours, ..], 'S') if *colours >= 2 => known.colours = (*colours).min(256),
            ([2, 0, width, height, ..], 'S') if *width > 0 && *height > 0 => {
                known.largest = Some((*width, *height));
            }
            _ => {}
        }
    }
    known
}

/// Iterates over the complete reports of the form `CSI ? number ; .. letter`.
fn reports(answer: &[u8]) -> impl Iterator<Item = (Vec<usize>, char)> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let parts: Vec<_> = text.split("\x1b[?").skip(1).map(str::to_owned).collect();
    parts.into_iter().filter_map(|part| {
        let at = part.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        let numbers = part[..at]
            .split(';')
            .filter_map(|number| number.parse().ok());
        Some((numbers.collect(), part[at..].chars().next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood_among_what_was_typed() {
        let of = |answer: &[u8]| attributes(answer).map(Iterator::collect::<Vec<_>>);
        assert_eq!(
            of(b"ls\x1b[A\x1b[?63;1;4;22cmore"),
            Some(vec![63, 1, 4, 22])
        );
        assert_eq!(of(b"\x1b[?6c"), Some(vec![6]));
        assert_eq!(of(b"\x1b[?63;1;4"), None);
        assert_eq!(of(b"\xff\x1b[c"), None);
    }

    #[test]
    fn graphics_are_what_the_terminal_says() {
        let known = graphics(b"\x1b[?1;0;16S\x1b[?2;0;800;480S\x1b[?63;4c");
        assert_eq!(
            known,
            Sixels {
                colours: 16,
                largest: Some((800, 480))
            }
        );
        // One that refuses, and one that has more than a picture can name.
        let known = graphics(b"\x1b[?1;0;1024S\x1b[?2;3S\x1b[?63;4c");
        assert_eq!((known.colours, known.largest), (256, None));
    }
}
