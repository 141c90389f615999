//! A daemon whose web configuration, certificate, key and authority lie in folders of their own, so
//! that each needs its own way through the sandbox.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::authority::{Authority, Pair, Purpose};
use crate::client::Client;
use crate::daemon::command::apart;
use crate::daemon::{Daemon, Site};

pub(crate) const NOBODY: u32 = 65_534;

/// The files of a fixture: names here stand for paths.
const FILES: [&str; 5] = ["web.yml", "server.crt", "server.key", "clients.crt", "roster.csv"];

pub(crate) struct Fixture {
    pub(crate) site: Site,
    pub(crate) authority: Authority,
    pub(crate) clients: Authority,
    pub(crate) pair: Pair,
    folders: Vec<TempDir>,
    owner: u32,
}

impl Fixture {
    /// A fixture with this web configuration, in which `@server.crt` and its like stand for paths.
    pub(crate) fn new(web: &str) -> Self {
        Self::owned_by(0, web)
    }

    /// The same whose files, and whose daemon, are another user's.
    pub(crate) fn owned_by(owner: u32, web: &str) -> Self {
        let site = Site::new();
        let folder = |_| TempDir::with_prefix("blindmeter-web-").expect("a temporary directory");
        let folders: Vec<TempDir> = FILES.iter().map(folder).collect();
        let (authority, clients) = (Authority::new("server authority"), Authority::new("client authority"));
        let pair = authority.issue(Purpose::Server);
        let fixture = Self { site, authority, clients, pair, folders, owner };
        for folder in fixture.folders.iter().map(TempDir::path).chain([fixture.site.path("").as_path()]) {
            chown(folder, Some(owner), Some(owner)).expect("root gives folders away");
            fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("ours");
        }
        fixture.replace("web.yml", web);
        fixture.replace_pair(&fixture.pair);
        fixture.replace("clients.crt", &fixture.clients.pem());
        fixture.replace("roster.csv", "prefix,account\n10.77.0.1,canary-one\n");
        let name = |file: &str| fixture.path(file).display().to_string();
        fixture.site.configure("[store]", format!("config_file = \"{}\"\n[store]", name("web.yml")));
        fixture.site.configure(&fixture.site.name("roster.csv"), name("roster.csv"));
        fixture
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        match FILES.iter().position(|name| *name == file) {
            Some(at) => self.folders[at].path().join(file),
            None => self.site.path(file),
        }
    }

    /// Writes a file beside the one there is, and renames it over that.
    pub(crate) fn replace(&self, file: &str, text: &str) {
        let mode = if file == "server.key" { 0o600 } else { 0o644 };
        let text = FILES.iter().fold(text.to_owned(), |text, name| {
            text.replace(&format!("@{name}"), &self.path(name).display().to_string())
        });
        let path = self.path(file);
        let new = path.with_extension("new");
        fs::write(&new, text).expect("ours");
        fs::set_permissions(&new, Permissions::from_mode(mode)).expect("ours");
        chown(&new, Some(self.owner), Some(self.owner)).expect("root gives files away");
        fs::rename(&new, &path).expect("ours");
    }

    pub(crate) fn replace_pair(&self, pair: &Pair) {
        self.replace("server.crt", &pair.certificate);
        self.replace("server.key", &pair.key);
    }

    pub(crate) fn configuration(&self) -> String {
        fs::read_to_string(self.path("blindmeter.toml")).expect("ours")
    }

    /// Starts the daemon as the owner of the files, and waits until it answers.
    pub(crate) fn start(&self) -> Daemon<'_> {
        if self.owner == 0 {
            return self.site.start();
        }
        let mut command = apart("setpriv");
        let owner = self.owner;
        command.args([format!("--reuid={owner}"), format!("--regid={owner}"), "--clear-groups".to_owned()]);
        command.args(["--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw"]);
        command.args(["--pdeathsig", "KILL"]).arg(self.site.program_for_everybody()).arg("run");
        command.arg("--config").arg(self.path("blindmeter.toml"));
        let said = fs::File::create(self.path("stderr")).expect("a file for the log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let mut daemon = self.site.adopt(command.spawn().expect("setpriv is there"));
        daemon.await_answer();
        daemon
    }

    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// A client that trusts the server's authority.
    pub(crate) fn client(&self) -> Client {
        Client::of(&self.authority)
    }

    /// The file that curl is to trust.
    pub(crate) fn trusted(&self) -> String {
        let path = self.site.path("authority.crt");
        fs::write(&path, self.authority.pem()).expect("ours");
        path.display().to_string()
    }

    /// A pair in files for curl and Prometheus.
    pub(crate) fn files_of(&self, pair: &Pair) -> (String, String) {
        let write = |name: &str, text: &str| {
            let path = self.site.path(name);
            fs::write(&path, text).expect("ours");
            path.display().to_string()
        };
        (write("own.crt", &pair.certificate), write("own.key", &pair.key))
    }
}

/// TLS with the files of a fixture, and nothing more.
pub(crate) const TLS: &str = "tls_server_config: {cert_file: '@server.crt', key_file: '@server.key'}\n";

/// The same for clients with a certificate.
pub(crate) const MUTUAL: &str = "tls_server_config:\n  cert_file: '@server.crt'\n  key_file: '@server.key'\n  \
                                 client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: '@clients.crt'\n";

/// A hash by crypt(3), which knows nothing of this program.
pub(crate) fn hash(kind: &str, cost: u32, password: &str) -> String {
    let salt = format!("${kind}${cost:02}$abcdefghijklmnopqrstuu");
    let mut perl = Command::new("perl");
    perl.args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, &salt]).stdin(Stdio::null());
    let output = perl.output().expect("perl-base is installed");
    let hash = String::from_utf8(output.stdout).expect("text");
    assert_eq!(hash.len(), 60, "crypt(3) knows bcrypt");
    hash
}

/// The header line of a log-in.
pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    let text = base64::prelude::BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {text}\r\n")
}

/// Whether a line of the log names this file.
pub(crate) fn names(line: &str, path: &Path) -> bool {
    line.contains(&path.display().to_string())
}
