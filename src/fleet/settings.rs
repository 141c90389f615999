//! What a node needs to know to be one of a fleet, read from the files that the configuration names: the fleet's key,
//! and as whom each cluster lets it do what.
//!
//! Holds secrets, which are overwritten when they are dropped and cannot be printed.

use super::cluster::{Access, Certificates, identity};
use super::keys::{FleetKey, KEY_BYTES};
use crate::config::Fleet;
use crate::config::fleet::LETTERS;
use crate::environment::{Files, unreadable};
use std::fmt::Display;
use std::path::Path;
use zeroize::Zeroizing;

/// What a user of a cluster may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Send a node's own words and shares.
    Node,
    /// Add an account's words up.
    Desk,
    /// Erase and correct.
    Privacy,
    /// Open the sums of an epoch.
    Totals,
    /// Look at a server's settings.
    Check,
    /// Load the functions.
    Install,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Node, Self::Desk, Self::Privacy, Self::Totals, Self::Check, Self::Install];

    /// Its word in the credentials file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Desk => "desk",
            Self::Privacy => "privacy",
            Self::Totals => "totals",
            Self::Check => "check",
            Self::Install => "install",
        }
    }

    /// Its name in the servers' access lists.
    #[must_use]
    pub const fn user(self) -> &'static str {
        match self {
            Self::Node => "blindmeter-node",
            Self::Desk => "blindmeter-desk",
            Self::Privacy => "blindmeter-privacy",
            Self::Totals => "blindmeter-totals",
            Self::Check => "blindmeter-check",
            Self::Install => "blindmeter-install",
        }
    }
}

/// Of which cluster a line of the credentials file speaks (all, unless it says so), and its secret.
type Secret<T> = (T, Option<char>, Zeroizing<String>);

/// The passwords of the roles that this node has, for each cluster, and what its servers call their commands.
#[derive(Clone, Default)]
pub struct Credentials {
    passwords: Vec<Secret<Role>>,
    names: Vec<Secret<()>>,
}

/// Letters and digits of the names of commands.
const NAMES_LENGTH: std::ops::RangeInclusive<usize> = 16..=64;

impl Credentials {
    /// Those of a file: a line `ROLE:PASSWORD`, or `ROLE@A:PASSWORD` where the clusters differ; for whoever loads the
    /// functions also `names:NAMES`.
    ///
    /// # Errors
    /// What is wrong, with the line; nothing of the file is repeated.
    pub fn of_file(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |what: &str| format!("line {}: {what}", at + 1);
            let (name, password) = line.split_once(':').ok_or_else(|| bad("expected ROLE:PASSWORD"))?;
            let (word, letter) = match name.split_once('@') {
                None => (name, None),
                Some((word, letter)) => {
                    let letter = LETTERS.into_iter().find(|known| known.to_string() == letter);
                    (word, Some(letter.ok_or_else(|| bad("a cluster is called A or B"))?))
                }
            };
            if word == "names" {
                let is_name = password.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !is_name || !NAMES_LENGTH.contains(&password.len()) {
                    return Err(bad(
                        "names are 16 to 64 letters and digits, as in the servers' secrets.conf",
                    ));
                }
                if all.names.iter().any(|(_, of, _)| *of == letter) {
                    return Err(bad("names were given before"));
                }
                all.names.push(((), letter, Zeroizing::new(password.to_owned())));
                continue;
            }
            let role = Role::ALL.into_iter().find(|role| role.word() == word);
            let role = role.ok_or_else(|| bad("a role is node, desk, privacy, totals, check or install"))?;
            if password.is_empty() {
                return Err(bad("the password is empty"));
            }
            if all.passwords.iter().any(|(other, of, _)| (*other, *of) == (role, letter)) {
                return Err(bad("this role was named before"));
            }
            all.passwords.push((role, letter, Zeroizing::new(password.to_owned())));
        }
        Ok(all)
    }

    fn password(&self, role: Role, letter: char) -> Option<&Zeroizing<String>> {
        of_cluster(&self.passwords, role, letter)
    }
}

fn of_cluster<T: PartialEq>(all: &[Secret<T>], what: T, letter: char) -> Option<&Zeroizing<String>> {
    let of = |wanted: Option<char>| {
        all.iter().find(|(one, of, _)| *one == what && *of == wanted).map(|(.., secret)| secret)
    };
    of(Some(letter)).or_else(|| of(None))
}

/// A fleet's key, and how each cluster is reached.
#[derive(Clone)]
pub struct Settings {
    /// The fleet's key.
    pub key: FleetKey,
    credentials: Credentials,
    clusters: Vec<(char, Vec<String>, Option<Certificates>)>,
}

impl Settings {
    /// What the files of a configuration hold.
    ///
    /// # Errors
    /// Which file cannot be used, and what to do.
    pub fn read(files: &impl Files, fleet: &Fleet) -> Result<Self, String> {
        let key = read_secret(files, "key_file", &fleet.key_file)?;
        let key: &[u8; KEY_BYTES] = key.as_slice().try_into().map_err(|_| {
            let what = format!(
                "a fleet's key has 32 bytes, and this one has {}; make one for all nodes with: head -c 32 /dev/urandom",
                key.len()
            );
            named("key_file", &fleet.key_file, &what)
        })?;
        let text = read_secret(files, "credentials_file", &fleet.credentials_file)?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            named("credentials_file", &fleet.credentials_file, &"not UTF-8; save it as UTF-8")
        })?;
        let credentials = Credentials::of_file(text)
            .map_err(|why| named("credentials_file", &fleet.credentials_file, &why))?;
        let mut clusters = Vec::new();
        for (letter, cluster) in LETTERS.into_iter().zip(&fleet.clusters) {
            let members = cluster.members.iter().map(ToString::to_string).collect();
            let certificates = match &cluster.ca_file {
                None => None,
                Some(file) => {
                    let own = match &cluster.certificate {
                        None => None,
                        Some((certificate, key)) => Some((
                            read(files, "certificate_file", certificate)?,
                            read_secret(files, "private_key_file", key)?,
                        )),
                    };
                    Some(Certificates { authority: read(files, "ca_file", file)?, own })
                }
            };
            clusters.push((letter, members, certificates));
        }
        Ok(Self { key: FleetKey::new(key), credentials, clusters })
    }

    /// Whether this node has a role in every cluster.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        (0..self.clusters()).all(|place| self.access(place, role).is_some())
    }

    /// How many clusters there are.
    #[must_use]
    pub fn clusters(&self) -> usize {
        self.clusters.len()
    }

    /// What calls say of which fleet and cluster they mean.
    #[must_use]
    pub fn identity(&self, letter: char) -> String {
        identity(&self.key.identity(), letter)
    }

    /// Which cluster is at this place, and what stands behind the names of its servers' commands; nothing where those
    /// have their own names.
    #[must_use]
    pub fn names(&self, place: usize) -> Option<(char, Zeroizing<String>)> {
        let (letter, ..) = self.clusters.get(place)?;
        let names = of_cluster(&self.credentials.names, (), *letter);
        Some((
            *letter,
            names.map_or_else(Zeroizing::default, |names| Zeroizing::new(format!("-{}", names.as_str()))),
        ))
    }

    /// How the cluster at this place is reached in a role; none where this node does not have it.
    #[must_use]
    pub fn access(&self, place: usize, role: Role) -> Option<Access> {
        let (letter, members, certificates) = self.clusters.get(place)?;
        let password = self.credentials.password(role, *letter)?.clone();
        Some(Access {
            letter: *letter,
            fleet: self.key.identity(),
            members: members.clone(),
            certificates: certificates.clone(),
            user: role.user(),
            password,
        })
    }
}

fn read(files: &impl Files, key: &str, path: &Path) -> Result<Vec<u8>, String> {
    files.read(path).map_err(|error| named(key, path, &unreadable(&error)))
}

fn read_secret(files: &impl Files, key: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = files.read_secret(path).map_err(|error| named(key, path, &unreadable(&error)))?;
    if file.others_may_read {
        let what = "its group or others can read or write it; chmod 600 it, and give it to the daemon's user";
        return Err(named(key, path, &what));
    }
    Ok(file.bytes)
}

fn named(key: &str, path: &Path, why: &dyn Display) -> String {
    format!("fleet {key} {}: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_of_a_role_and_where_it_is_named_of_a_cluster() {
        let text = "# of the fleet\nnode:one:two\n\ndesk@B:three\ndesk:four\n";
        let read = Credentials::of_file(text).map_err(|_| ()).expect("good");
        let password = |role, letter| read.password(role, letter).map(|password| password.as_str());
        assert_eq!(password(Role::Node, 'A'), Some("one:two"));
        assert_eq!((password(Role::Desk, 'A'), password(Role::Desk, 'B')), (Some("four"), Some("three")));
        assert_eq!(password(Role::Privacy, 'A'), None);
        let text = "names@B:fedcba9876543210\nnames:0123456789abcdef\n";
        let read = Credentials::of_file(text).map_err(|_| ()).expect("good");
        let names = ['A', 'B'].map(|letter| of_cluster(&read.names, (), letter).map(|names| names.as_str()));
        assert_eq!(names, [Some("0123456789abcdef"), Some("fedcba9876543210")]);
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for (text, what) in [
            ("node:a\nwhat", "line 2: expected ROLE:PASSWORD"),
            ("node@C:hidden", "line 1: a cluster is called A or B"),
            ("root:hidden", "line 1: a role is"),
            ("node:", "line 1: the password is empty"),
            ("node:a\nnode:b", "line 2: this role was named before"),
            ("names:hidden", "line 1: names are 16 to 64 letters and digits"),
            ("names@A:hidden-hidden-hidden", "line 1: names are 16 to 64 letters and digits"),
            ("names:0123456789abcdef\nnames:0123456789abcdef", "line 2: names were given before"),
        ] {
            let why = Credentials::of_file(text).err().expect("bad");
            assert!(why.starts_with(what) && !why.contains("hidden"), "{why}");
        }
    }
}
