//! Pictures that `show` sends to terminals that support them.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests fails them by panicking"
)]

use portable_pty::CommandBuilder;
use pylightnix::store::Context;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;
use tests::store::{config, folder, publish, publish_texts};
use tests::terminal::Terminal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_store-cli");

/// The answers of a terminal with sixel support, and of one without.
const SIXELS: &str = "\x1b[?63;1;4;22c";
const NO_SIXELS: &str = "\x1b[?63;1;22c";
/// The query.
const WHAT: &str = "\x1b[c";
const WHICH: &str = "\x1b[?1;1;0S\x1b[?2;1;0S\x1b[c";

type Colour = [u8; 3];

/// A picture, line by line.
struct Picture {
    width: usize,
    colours: Vec<Colour>,
}

impl Picture {
    fn new(width: usize, height: usize, colour: impl Fn(usize, usize) -> Colour) -> Self {
        let colours = (0..width * height).map(|at| colour(at % width, at / width));
        Picture {
            width,
            colours: colours.collect(),
        }
    }

    /// Returns a white picture with a red line, a black line and a blue corner.
    fn plot() -> Self {
        Self::new(40, 26, |x, y| match (x, y) {
            (x, y) if x == y => [255, 0, 0],
            (_, 25) => [0, 0, 0],
            (30.., 0..10) => [0, 51, 255],
            _ => [255, 255, 255],
        })
    }

    fn height(&self) -> usize {
        self.colours.len() / self.width
    }

    fn png(&self, color: png::ColorType, alpha: impl Fn(Colour) -> Option<u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height() as u32);
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        let mut writer = encoder.write_header().unwrap();
        let pixels = self
            .colours
            .iter()
            .flat_map(|colour| colour.iter().copied().chain(alpha(*colour)));
        writer
            .write_image_data(&pixels.collect::<Vec<_>>())
            .unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn opaque(&self) -> Vec<u8> {
        self.png(png::ColorType::Rgb, |_| None)
    }

    fn of_png(bytes: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(frame.color_type, png::ColorType::Rgb);
        Picture {
            width: frame.width as usize,
            colours: pixels.as_chunks().0.to_vec(),
        }
    }

    /// Decodes sixels that state their size; fails on pixels that are not written.
    fn of_sixels(text: &str) -> Self {
        let (size, mut rest) = text.split_once('#').unwrap();
        let size: Vec<usize> = size
            .strip_prefix("\x1bP0;1q\"1;1;")
            .unwrap()
            .split(';')
            .map(|number| number.parse().unwrap())
            .collect();
        let [width, height] = size[..] else {
            unreachable!("two numbers")
        };
        let mut pixels: Vec<Option<Colour>> = vec![None; width * height];
        let mut palette: BTreeMap<usize, Colour> = BTreeMap::new();
        let (mut x, mut top, mut colour) = (0, 0, None);
        let mut letter = '#';
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';');
            let (numbers, after) = rest.split_at(end.unwrap());
            let numbers: Vec<usize> = numbers.split(';').flat_map(str::parse).collect();
            let mut after = after.chars();
            let next = after.next().unwrap();
            let mut shape = None;
            match (letter, &numbers[..]) {
                ('#', [number]) => colour = Some(palette[number]),
                ('#', [number, 2, rgb @ ..]) => {
                    assert!(rgb.iter().all(|part| *part <= 100));
                    let part = |at: usize| (rgb[at] * 255 / 100) as u8;
                    palette.insert(*number, [part(0), part(1), part(2)]);
                }
                ('!', [count]) => shape = Some((next, *count)),
                ('$', []) => x = 0,
                ('-', []) => (x, top) = (0, top + 6),
                (one @ '?'..='~', []) => shape = Some((one, 1)),
                other => unreachable!("{other:?}"),
            }
            if let Some((shape, count)) = shape {
                let bits = shape as u8 - b'?';
                for x in x..x + count {
                    for bit in (0..6).filter(|bit| bits >> bit & 1 == 1) {
                        let pixel = &mut pixels[(top + bit) * width + x];
                        assert_eq!(*pixel, None, "one colour for each pixel");
                        *pixel = Some(colour.unwrap());
                    }
                }
                x += count;
            }
            rest = after.as_str();
            letter = match letter {
                '!' => {
                    let mut after = rest.chars();
                    let next = after.next().unwrap();
                    rest = after.as_str();
                    next
                }
                _ => next,
            };
            if letter == '\x1b' {
                assert_eq!(rest, "\\");
                break;
            }
        }
        Picture {
            width,
            colours: pixels.into_iter().map(Option::unwrap).collect(),
        }
    }

    /// Returns whether the pictures are equal up to the precision of percentages.
    fn is_like(&self, other: &Self) -> bool {
        let near = |one: &Colour, other: &Colour| (0..3).all(|at| one[at].abs_diff(other[at]) <= 2);
        let mut both = self.colours.iter().zip(&other.colours);
        (self.width, self.height()) == (other.width, other.height())
            && both.all(|(one, other)| near(one, other))
    }
}

/// A store with pictures.
struct Place(TempDir);

impl Place {
    /// Creates a store with one realization, `pictures`, of these files.
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let place = Place(folder());
        let store = pylightnix::store::Store::open(place.0.path().join("store")).unwrap();
        let mut draft = store.plumbing().draft().unwrap();
        for (name, bytes) in files {
            fs::write(draft.out().join(name), bytes).unwrap();
        }
        publish(&mut draft, &config("pictures")).unwrap();
        let text = [("text.txt", "text\n")];
        publish_texts(&store, &config("text"), &Context::empty(), &text);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `show` in a terminal of 80 columns, and prints the terminal modes before and after.
    fn show(&self, words: &str, environment: &[(&str, &str)]) -> Terminal {
        let script = format!(
            "stty -a > before; sh -c 'echo $$ > process; exec {PROGRAM} show {words}'; code=$?; stty -a > after; exit $code"
        );
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", &script]);
        shell.env("PYLIGHTNIX_ROOT", self.path("store"));
        for name in [
            "NO_COLOR",
            "COLUMNS",
            "TMUX",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "KITTY_WINDOW_ID",
        ] {
            shell.env_remove(name);
        }
        shell.env("TERM", "xterm-256color");
        for (name, value) in environment {
            shell.env(name, value);
        }
        shell.cwd(self.0.path());
        Terminal::start(shell, 80, 60)
    }

    /// Waits for the end, and checks that the terminal modes are restored; returns the exit status and all output.
    fn end(&self, mut terminal: Terminal) -> (u32, String) {
        let (status, screen) = terminal.end();
        let read = |name: &str| fs::read_to_string(self.path(name)).unwrap();
        assert_eq!(read("before"), read("after"), "{screen}");
        (status, String::from_utf8(terminal.raw(0)).unwrap())
    }

    /// Returns what is sent to a terminal with sixel support that gives this answer.
    fn shown(&self, words: &str, graphics: &str) -> String {
        let mut terminal = self.show(words, &[]);
        let asked = terminal.wait_for_sent(0, WHAT);
        terminal.type_keys(SIXELS);
        terminal.wait_for_sent(asked, WHICH);
        terminal.type_keys(&format!("{graphics}{SIXELS}"));
        let (status, sent) = self.end(terminal);
        assert_eq!(status, 0, "{sent}");
        // The answers are not visible.
        assert!(!sent.contains("63;1"), "{sent}");
        sent
    }
}

/// Returns the sequences with this beginning and end in the output.
fn between<'t>(sent: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut rest = sent;
    while let Some(at) = rest.find(begin) {
        let length = rest[at..].find(end).unwrap() + end.len();
        found.push(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    found
}

fn sixels(sent: &str) -> Vec<&str> {
    between(sent, "\x1bP", "\x1b\\")
}

fn of_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters = text.trim_end_matches('=').as_bytes().chunks(4);
    let bytes = letters.flat_map(|four| {
        let bits = four
            .iter()
            .fold(0_u32, |bits, letter| bits << 6 | u32::from(value(*letter)));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}

#[test]
fn a_terminal_that_says_that_it_takes_sixels_gets_the_picture() {
    let plot = Picture::plot();
    let gray = Picture::new(7, 5, |x, y| [(x * 30 + y) as u8; 3]);
    let place = Place::new(&[
        ("a.png", plot.opaque()),
        ("b.PNG", gray.opaque()),
        ("c.jpg", b"of no use here".to_vec()),
    ]);
    let sent = place.shown("pictures", "");
    let shown = sixels(&sent);
    assert_eq!(shown.len(), 2, "{sent}");
    assert!(Picture::of_sixels(shown[0]).is_like(&plot), "{}", shown[0]);
    assert!(Picture::of_sixels(shown[1]).is_like(&gray), "{}", shown[1]);
    // Each picture is below its name, and begins at the left margin.
    assert!(sent.contains("a.png\x1b[0m\r\n\x1bP"), "{sent}");
    assert!(sent.ends_with("\x1b\\\r\n"), "{sent}");
    let lines = sent.matches('\n').count();
    assert_eq!(sent.matches("\r\n").count(), lines, "{sent}");
}

#[test]
fn pictures_are_as_large_and_as_colourful_as_the_terminal_says() {
    // 80 columns of unknown width in pixels.
    let wide = Picture::new(1280, 12, |x, y| [(x / 5) as u8, (y * 20) as u8, 100]);
    let high = Picture::new(10, 300, |x, y| [(x * 25) as u8, (y / 2) as u8, 0]);
    let place = Place::new(&[("a.png", wide.opaque()), ("b.png", high.opaque())]);
    let sent = place.shown("pictures", "\x1b[?1;0;16S\x1b[?2;0;1000;100S");
    let shown: Vec<_> = sixels(&sent).into_iter().map(Picture::of_sixels).collect();
    let size = |one: &Picture| (one.width, one.height());
    assert_eq!((size(&shown[0]), size(&shown[1])), ((640, 6), (3, 100)));
    for one in &shown {
        let mut colours = one.colours.clone();
        colours.sort_unstable();
        colours.dedup();
        assert!((8..=16).contains(&colours.len()), "{colours:?}");
    }
    // With enough colour registers, the colours are exact.
    let sent = place.shown("pictures", "\x1b[?1;0;1024S\x1b[?2;3;0S");
    let shown: Vec<_> = sixels(&sent).into_iter().map(Picture::of_sixels).collect();
    assert_eq!((size(&shown[0]), size(&shown[1])), ((640, 6), (10, 300)));
    let far = shown[1].colours.iter().zip(&high.colours);
    let far = far.flat_map(|(one, other)| (0..3).map(|at| one[at].abs_diff(other[at])));
    assert!(far.max().unwrap() <= 16);
}

#[test]
fn what_is_no_picture_is_named() {
    let plot = Picture::plot().opaque();
    let mut torn = plot.clone();
    let middle = torn.len() / 2;
    torn[middle] ^= 0x55;
    // A picture with too many pixels, whose header alone states them.
    let mut huge = plot.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let files = [
        ("cut.png", plot[..plot.len() / 2].to_vec()),
        ("empty.png", Vec::new()),
        ("huge.png", huge),
        ("text.png", b"text".to_vec()),
        ("torn.png", torn),
        ("whole.png", plot.clone()),
    ];
    let place = Place::new(&files);
    let broken = |sent: &str| {
        for (name, _) in &files[..5] {
            assert!(
                sent.contains("cannot show ") && sent.contains(&format!("/{name}: ")),
                "{name}: {sent}"
            );
        }
    };
    let sent = place.shown("pictures", "");
    broken(&sent);
    assert_eq!(sixels(&sent).len(), 1);
    let kitty = place.show("pictures", &[("TERM", "xterm-kitty")]);
    let (status, sent) = place.end(kitty);
    assert_eq!(status, 0);
    broken(&sent);
    assert_eq!(between(&sent, "\x1b_G", "\x1b\\").len(), 1);
}

#[test]
fn kitty_and_iterm2_get_png_files() {
    let plot = Picture::plot();
    let clear = plot.png(png::ColorType::Rgba, |colour| {
        Some(if colour == [255; 3] { 0 } else { 255 })
    });
    // Noise, which a PNG file cannot compress.
    let noise = Picture::new(700, 70, |x, y| {
        let mix = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
        [(mix >> 9) as u8, (mix >> 17) as u8, (mix >> 23) as u8]
    });
    let place = Place::new(&[
        ("a.png", plot.opaque()),
        ("b.png", clear),
        ("c.png", noise.opaque()),
        ("d.jpg", b"whatever it is".to_vec()),
    ]);
    let pictures = |files: &[Vec<u8>]| {
        assert_eq!(files[0], plot.opaque());
        // On a white background, whatever the terminal's is.
        assert!(Picture::of_png(&files[1]).is_like(&plot));
        // Scaled to the width of the terminal.
        let noise = Picture::of_png(&files[2]);
        assert_eq!((noise.width, noise.height()), (640, 64));
    };

    let kitty = place.show("pictures", &[("KITTY_WINDOW_ID", "1")]);
    let (status, sent) = place.end(kitty);
    assert_eq!(status, 0, "{sent}");
    let mut files: Vec<String> = Vec::new();
    for part in between(&sent, "\x1b_G", "\x1b\\") {
        assert!(part.len() <= 4096 + 50);
        let (control, data) = part[3..part.len() - 2].split_once(';').unwrap();
        if control.contains("a=T") {
            assert!(control.starts_with("f=100,a=T,q=2,m="), "{control}");
            files.push(String::new());
        }
        files.last_mut().unwrap().push_str(data);
    }
    assert_eq!(files.len(), 3);
    let files: Vec<_> = files.iter().map(|text| of_base64(text)).collect();
    pictures(&files);

    let iterm = place.show("pictures", &[("TERM_PROGRAM", "iTerm.app")]);
    let (status, sent) = place.end(iterm);
    assert_eq!(status, 0, "{sent}");
    let files = between(&sent, "\x1b]1337;", "\x07");
    let files: Vec<_> = files
        .iter()
        .map(|file| {
            let (control, data) = file[..file.len() - 1].split_once(':').unwrap();
            let bytes = of_base64(data);
            let expected = format!("\x1b]1337;File=inline=1;size={}", bytes.len());
            assert_eq!(control, expected);
            bytes
        })
        .collect();
    assert_eq!(files.len(), 4);
    pictures(&files);
    assert_eq!(files[3], b"whatever it is");
    assert!(!sent.contains(WHAT), "known terminals are not asked");
}

#[test]
fn others_get_the_page_alone() {
    let place = Place::new(&[("a.png", Picture::plot().opaque())]);
    // A terminal without sixel support.
    let mut terminal = place.show("pictures", &[]);
    terminal.wait_for_sent(0, WHAT);
    terminal.type_keys(NO_SIXELS);
    let (status, sent) = place.end(terminal);
    assert_eq!((status, sixels(&sent).len()), (0, 0), "{sent}");
    assert!(!sent.contains(WHICH), "{sent}");
    // For a terminal that does not answer, the wait is short.
    let begun = Instant::now();
    let (status, sent) = place.end(place.show("pictures", &[]));
    assert_eq!((status, sixels(&sent).len()), (0, 0), "{sent}");
    assert!(begun.elapsed().as_secs() < 10);
    // No query is sent without a picture, without a keyboard, or if it is not needed.
    for (words, environment) in [
        ("text", &[][..]),
        ("pictures < /dev/null", &[]),
        ("pictures --no-pictures", &[]),
        ("pictures --json", &[]),
        ("pictures", &[("TERM", "dumb")]),
        ("pictures | cat", &[]),
        ("pictures > file", &[("TERM", "xterm-kitty")]),
    ] {
        let (status, sent) = place.end(place.show(words, environment));
        assert_eq!(status, 0, "{words}: {sent}");
        assert!(
            !sent.contains("\x1b[c") && !sent.contains("\x1b_G"),
            "{words}: {sent}"
        );
    }
}

#[test]
fn who_ends_it_while_it_asks_finds_the_terminal_as_it_was() {
    let place = Place::new(&[("a.png", Picture::plot().opaque())]);
    let mut terminal = place.show("pictures", &[]);
    terminal.wait_for_sent(0, WHAT);
    terminal.type_keys("\x03");
    let (status, sent) = place.end(terminal);
    assert_eq!(status, 130, "{sent}");

    let terminal = place.show("pictures", &[]);
    terminal.wait_for_sent(0, WHAT);
    let process = fs::read_to_string(place.path("process")).unwrap();
    let process = rustix::process::Pid::from_raw(process.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let (status, sent) = place.end(terminal);
    assert_eq!(status, 143, "{sent}");
}
