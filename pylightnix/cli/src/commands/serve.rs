//! `serve`: shows a store in a browser.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use crate::depends::Depends;
use crate::exit::{CommandError, CommandResult, Exit};
use crate::pages::{PlanOf, Reader, Serving, serve};
use crate::session::Session;
use crate::stages::{Stages, looking};
use crate::values;
use pylightnix::Error;
use std::path::Path;

/// The port, unless another one is given. If it is taken, any other is.
const PORT: u16 = 7177;

/// Show the store in a browser
///
/// Use it when you want to look at results, pictures, series and lineage, or watch runs as they go on. The server is read-only,
/// and answers this machine alone. With an `--address` that other machines reach, the printed address has a token, without which the server
/// refuses requests. Ctrl-C ends it.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: pages of another store, opened in the browser\n  pylightnix serve --open --store results"
)]
pub(crate) struct Serve {
    /// The address to listen at, as in `0.0.0.0:8080` [default: 127.0.0.1:7177, or another port if that is taken]
    #[arg(id = "serve-address", long = "address", value_name = "ADDRESS", value_parser = address)]
    address: Option<SocketAddr>,
    /// Open the pages in the browser
    #[arg(id = "serve-open", long = "open")]
    open: bool,
    /// A name by which requests may call this machine, as behind a proxy; may be repeated
    #[arg(id = "serve-host", long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// How much memory tables may take that are kept
    #[arg(id = "serve-memory", long = "memory", value_name = "SIZE", default_value = "256MiB", value_parser = values::size)]
    memory: u64,
}

/// Parses an address, with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let alone = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    text.parse()
        .or_else(|_| alone())
        .map_err(|_| format!("`{text}` is no address, as `127.0.0.1:8080` and `[::]:8080` are"))
}

impl Serve {
    pub(crate) fn run(self, session: &Session) -> CommandResult {
        session.no_json("serve")?;
        let store = match session.experiment() {
            Some(_) => session.store_or_new()?,
            None => session.store()?,
        };
        let listener = self.listen()?;
        let address = listener.local_addr()?;
        let token = match address.ip().is_loopback() {
            true => None,
            false => Some(random_token()?),
        };
        let (plan, asked) = match session.experiment() {
            Some(_) => {
                let (plan, asked) = plans();
                (Some(plan), Some(asked))
            }
            None => (None, None),
        };
        let reader = Reader::new(store.clone(), self.memory, plan);
        let mut url = format!("http://{}/", reachable(address));
        if let Some(token) = &token {
            url += &format!("?token={token}");
        }
        let serving = Serving {
            listener,
            reader,
            hosts: self.hosts,
            token,
        };
        let server = thread::Builder::new().name("serve".to_owned());
        let server = server.spawn(move || serve(serving))?;
        let mut out = session.out();
        writeln!(out, "{url}")?;
        out.flush()?;
        if self.open {
            open(session, &url);
        }
        // The plan belongs to this thread.
        for answer in asked.iter().flatten() {
            let plan = plan_of(session).map_err(|fault| fault.report().unwrap_or_default());
            // Whoever asked may have gone.
            let _ = answer.send(plan);
        }
        match server.join() {
            Ok(done) => done?,
            Err(_) => return Err(CommandError::Usage("the server ended".to_owned())),
        }
        Ok(Exit::Done)
    }

    fn listen(&self) -> CommandResult<TcpListener> {
        let usual = SocketAddr::from(([127, 0, 0, 1], PORT));
        let bound = match self.address {
            Some(address) => TcpListener::bind(address),
            None => TcpListener::bind(usual).or_else(|_| TcpListener::bind("127.0.0.1:0")),
        };
        let address = self.address.unwrap_or(usual);
        Ok(
            bound
                .map_err(|error| Error::io("listen at", Path::new(&address.to_string()), error))?,
        )
    }
}

/// Returns an address that a browser can open: one that stands for all of them is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    // The system chooses the address of this machine when a UDP socket is connected, which sends nothing. The other addresses are
    // those that RFC 5737 and RFC 3849 reserve for documentation.
    let asked = |own: &str, other: &str| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(other).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let found = asked("0.0.0.0:0", "192.0.2.1:9");
    let found = match address.is_ipv6() {
        true => found.or_else(|| asked("[::]:0", "[2001:db8::1]:9")),
        false => found,
    };
    let own = IpAddr::from([127, 0, 0, 1]);
    SocketAddr::new(found.unwrap_or(own), address.port())
}

/// A plan, or why it cannot be made.
type Plan = Result<Depends, String>;

/// Returns a function by which other threads ask for the plan, and what they ask.
fn plans() -> (PlanOf, mpsc::Receiver<mpsc::Sender<Plan>>) {
    let (ask, asked) = mpsc::channel();
    let ask = Mutex::new(ask);
    let plan = move || {
        let (answer, answered) = mpsc::channel();
        ask.lock().ok()?.send(answer).ok()?;
        answered.recv().ok()
    };
    (Box::new(plan), asked)
}

/// Makes the plan of all targets, with what a run would do.
fn plan_of(session: &Session) -> CommandResult<Depends> {
    let (Some(experiment), store) = (session.experiment(), session.store_or_new()?) else {
        return Err(CommandError::Usage("there is no plan".to_owned()));
    };
    let names: Vec<String> = experiment.names().map(str::to_owned).collect();
    let stages = Stages::of(experiment, &looking(experiment, store, false), &names)?;
    Depends::of_plan(store, experiment, &stages)
}

/// Returns 128 random bits as text.
fn random_token() -> CommandResult<String> {
    let mut bytes = [0_u8; 16];
    let path = Path::new("/dev/urandom");
    let mut read = || std::io::Read::read_exact(&mut std::fs::File::open(path)?, &mut bytes);
    read().map_err(|error| Error::io("read", path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Opens an address in the browser.
fn open(session: &Session, url: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        session.say(format_args!("no browser was opened: `{program}`: {error}"));
    }
}
