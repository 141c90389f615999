//! What is published: the pages of `/metrics` as whoever reaches them reads them, and what stands before them.

use super::logged::Known;
use super::report::Line;
use super::subject::Subject;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a page may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More is no page of the daemon's.
const PAGE_BYTES: u64 = 4 << 20;

/// What every series of the program begins with.
const OWN: &str = "blindmeter_";

/// Where the pages of `/metrics` are.
fn addresses(subject: &Subject) -> impl Iterator<Item = &String> {
    subject.status.listeners.iter().filter(|address| address.ends_with("/metrics"))
}

/// The first page that is served in the clear.
///
/// # Errors
/// Why there is none to be read.
pub(super) fn page(subject: &Subject) -> Result<String, String> {
    let mut why = "the daemon serves no page".to_owned();
    for address in addresses(subject) {
        match fetched(address) {
            Ok(page) => return Ok(page),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The command that fetches the page.
pub(super) fn command(subject: &Subject) -> String {
    addresses(subject)
        .next()
        .map_or_else(|| "blindmeter status".to_owned(), |address| format!("curl {address}"))
}

fn fetched(address: &str) -> Result<String, String> {
    let authority = address.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
    let Some(authority) = authority else { return Err("the page has TLS before it".to_owned()) };
    let asked = || -> io::Result<String> {
        let place = authority.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&place, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(
            format!("GET /metrics HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = String::new();
        stream.take(PAGE_BYTES).read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(|error| format!("the page cannot be read: {error}"))?;
    let (head, page) = answer.split_once("\r\n\r\n").ok_or("the page is no answer of a web server")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(page.to_owned()),
        Some("401") => Err("the page asks for a log-in".to_owned()),
        _ => Err("the page is refused".to_owned()),
    }
}

/// What the pages answer.
pub(super) fn lines(subject: &Subject) -> Vec<Line> {
    let command = command(subject);
    let page = match page(subject) {
        Ok(page) => page,
        Err(why) => {
            let remedy = "fetch it with curl, its certificate and a log-in, and read it";
            return vec![Line::unknown(why, command, remedy)];
        }
    };
    let samples: Vec<&str> =
        page.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    let names: BTreeSet<&str> = samples.iter().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let released = names.iter().filter(|name| name.starts_with("blindmeter_epoch")).count();
    let mut lines = vec![Line::ok(
        format!(
            "{} samples of {} series; {released} series are of released epochs, and the rest are the state of the \
             daemon (docs/metrics.md has each)",
            samples.len(),
            names.len()
        ),
        command.clone(),
    )];
    let strange = names.iter().filter(|name| !name.starts_with(OWN)).count();
    lines.push(match strange {
        0 => {
            Line::ok("no series of a process, a runtime or another collector is on the page", command.clone())
        }
        _ => Line::void(
            format!("series on the page that are not the program's: {strange}"),
            command.clone(),
            "see who serves this page: a daemon of this version has no others",
        ),
    });
    let known = Known::of(subject);
    let named = samples.iter().filter(|line| known.is_address_in(line) || known.is_name_in(line)).count();
    lines.push(match named {
        0 => Line::ok("no sample has an address, or a name of the roster file", command.clone()),
        _ => Line::void(
            format!("samples with an address or a name of the roster file: {named}"),
            command.clone(),
            "see who serves this page: a daemon of this version shows none",
        ),
    });
    // Name and value, or the value behind the labels.
    let fields = |line: &str| match line.rsplit_once('}') {
        Some((_, rest)) => rest.split_whitespace().count() + 1,
        None => line.split_whitespace().count(),
    };
    let stamped = samples.iter().filter(|line| fields(line) > 2).count();
    lines.push(match stamped {
        0 => Line::ok("no sample has a time of its own", command),
        _ => Line::void(format!("samples with a time: {stamped}"), command, "see who serves this page"),
    });
    let clear = subject.config.listen.iter().filter(|address| !address.ip().is_loopback()).count();
    let guarded = subject.config.web_config_file.is_some();
    let command = format!("grep -A4 '^\\[web\\]' {}", subject.path.display());
    lines.push(match (clear, guarded) {
        (0, _) => Line::ok("the page is served on loopback alone", command),
        (_, true) => Line::ok("others reach the page, with what web.config_file asks of them", command),
        (_, false) => Line::note(
            "others on the network reach the page without TLS or a log-in; it is made to be public",
            command,
            "see docs/web.md",
        ),
    });
    lines
}
