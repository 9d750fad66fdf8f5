//! A minimal HTTP/2 client, which can send any `:authority`.

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use ureq::http::Request;

use super::{Answer, Asked};

async fn shake(address: &str) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

/// Requests of one connection. A server assumes an attack when very many of them are answered
/// before their bodies are read.
const REQUESTS: usize = 500;

/// A client with one HTTP/2 connection after another, without an upgrade from HTTP/1.1.
pub(crate) struct Client {
    address: String,
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    asked: usize,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Client {
        let runtime = Runtime::new().expect("a runtime");
        let sender = runtime.block_on(shake(address));
        Client { address: address.to_owned(), runtime, sender, asked: 0 }
    }

    /// Sends a request; returns the body up to its declared length.
    pub(crate) fn ask(&mut self, asked: &Asked) -> Answer {
        self.asked += 1;
        if self.asked.is_multiple_of(REQUESTS) {
            self.sender = self.runtime.block_on(shake(&self.address));
        }
        let Asked { method, path, host, headers, body } = asked;
        let uri = format!("http://{host}{path}");
        let mut request = Request::builder().method(method.as_str()).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(()).expect("a request");
        self.runtime.block_on(async {
            let mut sender = self.sender.clone().ready().await.expect("room");
            let (answer, mut sending) =
                sender.send_request(request, body.is_empty()).expect("sent");
            if !body.is_empty() {
                // Refused by its head, it may be over already.
                let _ = sending.send_data(Bytes::from_static(body.as_bytes()), true);
            }
            let answer = answer.await.expect("an answer");
            let (head, mut body) = answer.into_parts();
            let mut text = Vec::new();
            if head.headers.contains_key("content-length") {
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                    text.extend_from_slice(&data);
                }
            }
            (head.status.as_u16(), String::from_utf8_lossy(&text).into_owned())
        })
    }
}
