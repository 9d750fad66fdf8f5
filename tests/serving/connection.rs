//! Requests on a single connection, whose end the caller can observe.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends one request on a connection; returns status, body, and whether the connection is kept.
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> Result<(u16, String, bool), String> {
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Err(format!("closed after {} bytes", text.len())),
            Ok(read) => text.extend_from_slice(&piece[..read]),
            Err(error) => return Err(error.to_string()),
        }
        let shown = String::from_utf8_lossy(&text);
        let Some((head, body)) = shown.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        if body.len() >= length {
            let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
            return Ok((status, body.to_owned(), !head.contains("connection: close")));
        }
    }
}
