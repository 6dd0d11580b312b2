//! An HTTP server with one file.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves this file from a thread, and returns the address.
pub fn serve(file: &'static [u8]) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming() {
            // A client that disconnects is not an error of the server.
            let _ = connection.and_then(|connection| answer(connection, file));
        }
    });
    Ok(format!("http://{address}/hello-1.0.tar.gz"))
}

fn answer(mut to: TcpStream, file: &[u8]) -> io::Result<()> {
    // Read the request up to the empty line.
    for line in BufReader::new(&to).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let length = file.len();
    write!(
        to,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    to.write_all(file)
}
