//! A plain HTTP/1.1 client that shows every byte of an answer; one request a connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::wait::TIMEOUT;

/// An answer; header names in lower case.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `GET` without any header that is not needed.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    request(port, "GET", path, "")
}

/// A request with further header lines, each closed by CR LF.
pub(crate) fn request(port: u16, method: &str, path: &str, headers: &str) -> Answer {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{headers}\r\n");
    let bytes = exchange(port, text.as_bytes());
    parse(&bytes)
        .unwrap_or_else(|| panic!("{method} {path}: no HTTP answer: {}", String::from_utf8_lossy(&bytes)))
}

/// Sends these bytes and reads until the server closes; what came before a reset counts.
pub(crate) fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(count) => answer.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("no answer within {} s: {error}", TIMEOUT.as_secs()),
        }
    }
}

/// An open connection whose reads end in time.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time above zero");
    stream
}

/// Takes an answer apart.
pub(crate) fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(Answer {
        status: status.get(..3)?.parse().ok()?,
        headers: headers.map(|(key, value)| (key.to_lowercase(), value.trim().to_owned())).collect(),
        body: body.to_owned(),
    })
}
