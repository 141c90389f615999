//! How a simulated node is configured: the configuration as an operator would write it, and the files
//! that the daemon reads.

use blindmeter::environment::Files;
use std::io;
use std::path::Path;

/// What a test chooses; all else is fixed.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) epoch_seconds: u64,
    pub(crate) refresh_seconds: u64,
    pub(crate) period_seconds: u64,
    /// `mode = "noisy"`, or coarse.
    pub(crate) noisy: bool,
    pub(crate) epsilon: &'static str,
    pub(crate) clamp_bytes: u64,
    pub(crate) crowd: u64,
    pub(crate) link_bits_per_second: u64,
    pub(crate) capacity: usize,
    /// Time between two saves; none in memory mode.
    pub(crate) save_every_seconds: Option<u64>,
    pub(crate) probe_account: &'static str,
    /// Whether flags are on: then traffic may be moved inside an epoch by whole ticks alone.
    pub(crate) flags: bool,
    pub(crate) pools: Vec<&'static str>,
}

/// The configuration file.
pub(crate) const CONFIG: &str = "/etc/blindmeter/blindmeter.toml";

/// The roster file.
pub(crate) const ROSTER: &str = "/etc/blindmeter/roster.csv";

/// Where the blob lies.
pub(crate) const BLOB: &str = "/state/ledger.sealed";

/// Where the root key lies.
pub(crate) const KEY: &str = "/keys/ledger.key";

impl Default for Setup {
    /// What a configuration has that says nothing else, but for the capacity.
    fn default() -> Self {
        Self {
            epoch_seconds: 86_400,
            refresh_seconds: 7 * 86_400,
            period_seconds: 28 * 86_400,
            noisy: true,
            epsilon: "1.0",
            clamp_bytes: 50 << 30,
            crowd: 20,
            link_bits_per_second: 1_000_000_000,
            capacity: 64,
            save_every_seconds: Some(300),
            probe_account: "probe",
            flags: false,
            pools: vec!["10.77.0.0/24", "fd77:77::/120"],
        }
    }
}

impl Setup {
    /// The text of the configuration. Every user below [`STRANGER`] has every role, and nothing is
    /// listened on.
    pub(crate) fn text(&self) -> String {
        let release = if self.noisy {
            format!("mode = \"noisy\"\nepsilon = {}\nclamp = \"{}B\"", self.epsilon, self.clamp_bytes)
        } else {
            "mode = \"coarse\"".to_owned()
        };
        let store = match self.save_every_seconds {
            Some(seconds) => format!("path = \"{BLOB}\"\nkey_file = \"{KEY}\"\nsave_every = \"{seconds}s\""),
            None => "mode = \"memory\"".to_owned(),
        };
        let pools: Vec<String> = self.pools.iter().map(|pool| format!("{pool:?}")).collect();
        format!(
            r#"[tap]
interfaces = ["wg0"]
[node]
name = "simulated"
[roster]
probe_account = "{probe}"
pools = [{pools}]
file = "{ROSTER}"
[control.roles]
roster = ["@staff"]
support = ["@staff"]
privacy = ["@staff"]
[web]
listen = []
[epoch]
length = "{epoch}s"
[release]
{release}
crowd = {crowd}
link_capacity = "{link}bit/s"
[support]
refresh = "{refresh}s"
[support.roles]
support = [{log_ins}]
privacy = [{log_ins}]
[irregularity]
enabled = {flags}
[store]
{store}
capacity = {capacity}
period = "{period}s"
"#,
            log_ins =
                (0..LOG_INS).map(|number| format!("\"{}\"", log_in(number))).collect::<Vec<_>>().join(", "),
            probe = self.probe_account,
            flags = self.flags,
            pools = pools.join(", "),
            epoch = self.epoch_seconds,
            crowd = self.crowd,
            link = self.link_bits_per_second,
            refresh = self.refresh_seconds,
            capacity = self.capacity,
            period = self.period_seconds,
        )
    }
}

/// Who may log in to the desk, each with every role there.
pub(crate) const LOG_INS: usize = 64;

/// The log-in of this number.
pub(crate) fn log_in(number: usize) -> String {
    format!("log-in-{number}")
}

/// The first user id of those without a role.
pub(crate) const STRANGER: u32 = 4000;

/// The files that a start and a reload read.
pub(crate) struct TextFiles {
    pub(crate) config: String,
    pub(crate) roster: String,
}

impl Files for TextFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = match path.to_str() {
            Some(CONFIG) => &self.config,
            Some(ROSTER) => &self.roster,
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(text.clone().into_bytes())
    }

    fn users(&self, _name: &str) -> Option<Vec<u32>> {
        Some((0..STRANGER).collect())
    }
}
