//! A page of given releases on loopback, in the form of a daemon's own. Holds nothing of the product.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Serves one page to whoever asks, until it is dropped.
pub(crate) struct Exporter {
    pub(crate) port: u16,
    page: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    pub(crate) fn serve(page: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (page, stop) = (Arc::new(Mutex::new(page)), Arc::new(AtomicBool::new(false)));
        let (shown, stopped) = (Arc::clone(&page), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            // Relaxed: the flag only has to be seen when the next connection comes.
            for stream in listener.incoming().take_while(|_| !stopped.load(Ordering::Relaxed)) {
                let page = shown.lock().expect("nobody panics with it").clone();
                // Who asks may go away meanwhile.
                let _ = stream.and_then(|stream| answer(&stream, &page));
            }
        });
        Self { port, page, stop, thread: Some(thread) }
    }

    /// What is served from now on.
    pub(crate) fn show(&self, page: String) {
        *self.page.lock().expect("nobody panics with it") = page;
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Relaxed: see above.
        self.stop.store(true, Ordering::Relaxed);
        // The connection that it waits for.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: &TcpStream, page: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}

/// The page with another value of a series that is on it.
pub(crate) fn with(page: &str, series: &str, value: impl ToString) -> String {
    let mut found = 0;
    let lines = page.lines().map(|line| {
        if line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')) {
            found += 1;
            return format!("{series} {}\n", value.to_string());
        }
        format!("{line}\n")
    });
    let page = lines.collect();
    assert_eq!(found, 1, "{series} is on the page once");
    page
}
