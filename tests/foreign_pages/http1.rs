//! A minimal HTTP/1.1 client, which can send any header, any number of times.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Answer, Asked};

/// Sends a request, alone on its connection.
pub(crate) fn ask(address: &str, asked: &Asked) -> Answer {
    let Asked { method, path, host, headers, body } = asked;
    let named = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let named: String = named.collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{named}content-length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    exchange(address, request.as_bytes())
}

/// Sends these bytes; returns the status, and the body up to its declared length: other bodies may
/// not end.
pub(crate) fn exchange(address: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket");
    stream.write_all(request).expect("sent");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{line:?}"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = Vec::new();
    if !request.starts_with(b"HEAD") {
        reader.take(length).read_to_end(&mut body).expect("a body");
    }
    (status, String::from_utf8_lossy(&body).into_owned())
}
