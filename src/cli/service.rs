//! As whom the daemon will run, and what its unit brings: `check` reads every file as that user would.
//!
//! Reads systemd's units and changes the effective user for a while; keeps nothing.

use crate::exit::{ExitError, ExitStatus};
use nix::unistd::{
    AccessFlags, Gid, Uid, User, eaccess, getegid, geteuid, getgroups, initgroups, setegid, seteuid,
    setgroups,
};
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Where systemd looks for a unit; an earlier place wins.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// The unit's name, and that of the one that runs several nodes on a host.
const UNIT: &str = "blindmeter.service";
const TEMPLATE: &str = "blindmeter@.service";

/// Where the configurations of nodes are: this folder's own, and one folder for each node of several.
const FOLDER: &str = "/etc/blindmeter";

/// What the installed unit says, with its drop-ins; empty where none is installed.
#[derive(Default)]
pub(super) struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// The installed unit.
    pub(super) fn installed() -> Self {
        Self::named(UNIT, &[UNIT])
    }

    /// The installed unit that runs this configuration: the template's, where it is one node of several.
    pub(super) fn of_configuration(path: &Path) -> Self {
        let Some(name) = instance_of(path) else { return Self::installed() };
        let own = format!("blindmeter@{name}.service");
        let mut unit = Self::named(TEMPLATE, &[TEMPLATE, &own]);
        for (_, value) in &mut unit.settings {
            *value = value.replace("%i", &name);
        }
        unit
    }

    /// The unit of a file's name, with the drop-ins for these names.
    fn named(name: &str, dropped: &[&str]) -> Self {
        let mut unit = Self::default();
        let Some(file) = UNITS.iter().map(|place| Path::new(place).join(name)).find(|file| file.exists())
        else {
            return unit;
        };
        unit.read(&file);
        let places = UNITS.iter().flat_map(|place| dropped.iter().map(move |name| (place, name)));
        let mut more: Vec<PathBuf> = places
            .filter_map(|(place, name)| std::fs::read_dir(Path::new(place).join(format!("{name}.d"))).ok())
            .flat_map(|folder| folder.flatten().map(|entry| entry.path()))
            .filter(|file| file.extension().is_some_and(|end| end == "conf"))
            .collect();
        more.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
        more.iter().for_each(|file| unit.read(file));
        unit
    }

    fn read(&mut self, file: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_default().replace("\\\n", " ");
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '['])) {
            if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
                if value.is_empty() {
                    // An empty value takes back what came before.
                    self.settings.retain(|(known, _)| *known != key);
                } else {
                    self.settings.push((key, value));
                }
            }
        }
    }

    /// Every word of a setting.
    fn words<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings
            .iter()
            .filter(move |(known, _)| known == key)
            .flat_map(|(_, value)| value.split_whitespace())
    }

    /// `User=`.
    pub(super) fn user(&self) -> Option<&str> {
        self.words("User").last()
    }

    /// The file that the service manager hands over as the credential of this name: it reads it as root.
    pub(super) fn credential(&self, name: &str) -> Option<PathBuf> {
        self.words("LoadCredential")
            .filter_map(|word| word.split_once(':'))
            .find_map(|(known, file)| (known == name).then(|| PathBuf::from(file)))
    }

    /// Whether the daemon is started with this capability.
    pub(super) fn grants(&self, capability: &str) -> bool {
        self.words("AmbientCapabilities").any(|word| word == capability)
    }

    /// Whether the service manager makes this folder before the start, for the daemon's user.
    pub(super) fn makes(&self, folder: &Path) -> bool {
        let made = |key, base: &str| self.words(key).any(|name| Path::new(base).join(name) == folder);
        made("RuntimeDirectory", "/run") || made("StateDirectory", "/var/lib")
    }

    /// Whether the unit lets this host alone reach the daemon.
    pub(super) fn keeps_others_out(&self) -> bool {
        let is_this_host =
            |word: &str| ["localhost", "127.0.0.0/8", "127.0.0.1", "::1", "::1/128"].contains(&word);
        self.words("IPAddressDeny").any(|word| word == "any")
            && self.words("IPAddressAllow").all(is_this_host)
    }
}

/// The name of the node whose folder this configuration is in.
fn instance_of(path: &Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.strip_prefix(FOLDER).ok()?.parent()?.to_str()?;
    (!folder.is_empty() && !folder.contains('/')).then(|| folder.to_owned())
}

/// The user that `check` takes on.
pub(super) struct Reader {
    user: User,
    name: CString,
    /// Where the name comes from.
    pub(super) origin: &'static str,
}

impl Reader {
    /// The user of this name or of the unit; none where neither is there, or we are not root.
    ///
    /// # Errors
    /// A user that does not exist (78), or another one's name without root (77).
    pub(super) fn of(named: Option<&str>, unit: &Unit) -> Result<Option<Self>, ExitError> {
        let (name, origin) = match (named, unit.user()) {
            (Some(name), _) => (name, "--as-user"),
            (None, Some(name)) if geteuid().is_root() => (name, "User= of the unit"),
            _ => return Ok(None),
        };
        let found = User::from_name(name)
            .ok()
            .flatten()
            .or_else(|| User::from_uid(Uid::from_raw(name.parse().ok()?)).ok().flatten());
        let Some(user) = found else {
            let what = format!(
                "{origin}: no user {name} on this host; make it with `systemd-sysusers`, or name another"
            );
            return Err(ExitError::new(ExitStatus::Config, what));
        };
        if !geteuid().is_root() && user.uid != geteuid() {
            let what = format!("{origin}: reading as another user needs root; run `check` as root");
            return Err(ExitError::new(ExitStatus::Permission, what));
        }
        let name = CString::new(user.name.as_str())
            .map_err(|_| ExitError::new(ExitStatus::Config, format!("{origin}: not a name")))?;
        Ok(Some(Self { user, name, origin }))
    }

    /// The user's name.
    pub(super) fn name(&self) -> &str {
        &self.user.name
    }

    /// Runs `work` with the user's rights over files, and comes back.
    ///
    /// # Errors
    /// Rights that cannot be changed (77).
    pub(super) fn read<T>(&self, work: impl FnOnce() -> T) -> Result<T, ExitError> {
        if self.user.uid == geteuid() {
            return Ok(work());
        }
        let failed = |error: nix::Error| {
            ExitError::new(
                ExitStatus::Permission,
                format!("cannot read as {}: {error}; run as root", self.name()),
            )
        };
        let (group, groups) = (getegid(), getgroups().map_err(failed)?);
        self.take_on().map_err(failed)?;
        let result = work();
        come_back(group, &groups).map_err(failed)?;
        Ok(result)
    }

    fn take_on(&self) -> nix::Result<()> {
        initgroups(&self.name, self.user.gid)?;
        setegid(self.user.gid)?;
        seteuid(self.user.uid)
    }
}

fn come_back(group: Gid, groups: &[Gid]) -> nix::Result<()> {
    seteuid(Uid::from_raw(0))?;
    setegid(group)?;
    setgroups(groups)
}

/// Whether a file can be made in this folder by whoever is in force now.
pub(super) fn may_write(folder: &Path) -> nix::Result<()> {
    eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delivered_unit_is_understood() {
        let mut unit = Unit::default();
        unit.read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/blindmeter.service")));
        assert_eq!(unit.user(), Some("blindmeter"));
        assert_eq!(unit.credential("ledger.key"), Some(PathBuf::from("/etc/blindmeter/ledger.key")));
        assert!(unit.makes(Path::new("/run/blindmeter")) && unit.makes(Path::new("/var/lib/blindmeter")));
        // A root key that is not there is nothing that a restart mends.
        assert!(unit.words("RestartPreventExitStatus").any(|status| status == "243"));
        assert!(!unit.makes(Path::new("/var/lib/other")) && unit.keeps_others_out());
    }

    #[test]
    fn the_delivered_template_is_understood() {
        let mut unit = Unit::default();
        unit.read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/blindmeter@.service")));
        assert_eq!(unit.user(), Some("blindmeter"));
        assert_eq!(unit.credential("ledger.key"), Some(PathBuf::from("/etc/blindmeter/%i/ledger.key")));
        assert!(
            unit.makes(Path::new("/run/blindmeter-%i")) && unit.makes(Path::new("/var/lib/blindmeter-%i"))
        );
        let of = |path: &str| instance_of(Path::new(path));
        assert_eq!(of("/etc/blindmeter/par2/blindmeter.toml"), Some("par2".to_owned()));
        for other in
            ["/etc/blindmeter/blindmeter.toml", "/etc/blindmeter/a/b/blindmeter.toml", "/srv/a.toml", "a"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_drop_in_adds_and_takes_back() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(
            &file,
            "[Service]\nUser=a\nIPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.0/8\nUser=b\n",
        )
        .unwrap();
        let mut unit = Unit::default();
        unit.read(file.path());
        assert_eq!((unit.user(), unit.keeps_others_out()), (Some("b"), false));
        std::fs::write(&file, "User=\nIPAddressAllow=\n").unwrap();
        unit.read(file.path());
        assert_eq!((unit.user(), unit.keeps_others_out()), (None, true));
    }
}
