//! A daemon with a desk: anna has the role support, clara privacy, zoe a log-in and no role.

use crate::daemon::http::{Answer, exchange, parse};
use crate::daemon::{Daemon, Site};
use crate::support::ports::free_port;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The password of everybody.
pub(crate) const PASSWORD: &str = "canary-password";

pub(crate) const STAFF: [&str; 3] = ["anna", "clara", "zoe"];

/// A site and the desk's port.
pub(crate) struct Desk {
    pub(crate) site: Site,
    pub(crate) port: u16,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with("", "[support.roles]\nsupport = [\"anna\"]\nprivacy = [\"clara\"]")
    }

    /// A desk with further keys, and with these roles.
    pub(crate) fn with(keys: &str, roles: &str) -> Self {
        let desk = Self { site: Site::new(), port: free_port() };
        desk.site.write("desk.yml", log_ins(&STAFF));
        let listen = format!("listen = \"127.0.0.1:{}\"", desk.port);
        let named = format!("config_file = \"{}\"", desk.site.name("desk.yml"));
        desk.site
            .configure("refresh = \"7d\"", format!("refresh = \"7d\"\n{listen}\n{named}\n{keys}\n{roles}"));
        desk
    }

    pub(crate) fn start(&self) -> Daemon<'_> {
        self.site.start()
    }

    /// `GET` as this member of staff, with further header lines.
    pub(crate) fn get(&self, who: &str, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\n{}{headers}", basic(who, PASSWORD)), "")
    }

    /// A form of the desk's own pages, as a browser sends it.
    pub(crate) fn post(&self, who: &str, path: &str, body: &str) -> Answer {
        self.post_with(who, path, "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n", body)
    }

    pub(crate) fn post_with(&self, who: &str, path: &str, headers: &str, body: &str) -> Answer {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask(&format!("POST {path} HTTP/1.1\r\n{}{form}{headers}", basic(who, PASSWORD)), body)
    }

    /// A request of the API.
    pub(crate) fn api(&self, who: &str, method: &str, path: &str, body: &str) -> Answer {
        let json = "Content-Type: application/json\r\n";
        self.ask(&format!("{method} {path} HTTP/1.1\r\n{}{json}", basic(who, PASSWORD)), body)
    }

    /// A head without its end, and a body.
    pub(crate) fn ask(&self, head: &str, body: &str) -> Answer {
        let length = if head.starts_with("GET") || head.starts_with("HEAD") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        self.raw(&format!("{head}Host: 127.0.0.1:{}\r\n{length}\r\n{body}", self.port))
    }

    pub(crate) fn raw(&self, text: &str) -> Answer {
        let bytes = exchange(self.port, text.as_bytes());
        parse(&bytes).unwrap_or_else(|| panic!("{text}: {}", String::from_utf8_lossy(&bytes)))
    }
}

/// A web configuration with these log-ins.
pub(crate) fn log_ins(names: &[&str]) -> String {
    let hash = bcrypt::hash_with_salt(PASSWORD, 4, *b"sixteen bytes ok").expect("a hash").to_string();
    let rows: String = names.iter().map(|name| format!("  {name}: {hash}\n")).collect();
    format!("basic_auth_users:\n{rows}")
}

/// The header line of a log-in.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// What a page shows, without its tags.
pub(crate) fn shown(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        let (_, rest) = part.split_once('>').unwrap_or(("", part));
        text.push_str(rest);
        text.push(' ');
    }
    let text = text.replace("&amp;", "&").replace("&quot;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
