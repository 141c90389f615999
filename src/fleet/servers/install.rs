//! Loads our functions on the masters of a cluster, whose replicas copy them. Replaces nothing that is newer or of others.

use super::super::FUNCTIONS;
use super::super::cluster::{Access, VERSION};
use super::super::trouble::Trouble;
use super::{has_command, libraries, members};
use redis::{Connection, Value, cmd};

/// The name of our library.
const LIBRARY: &str = "blindmeter";

/// A command that has the servers' own name for it, like all that reach into hashes.
const NAMED: &str = "HGET";

/// What became of a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Installed {
    /// Its masters.
    pub masters: usize,
    /// Those that had our functions already.
    pub unchanged: usize,
}

/// Why nothing was loaded, in one line that says what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not answer, or not as it should.
    #[error("{0}")]
    Trouble(#[from] Trouble),
    /// A newer version is there.
    #[error("has functions of a newer version of blindmeter; run `blindmeter fleet install` of that one")]
    Newer,
    /// It belongs to others.
    #[error(
        "holds the functions of another fleet, or of the other cluster of this one; compare [fleet] key_file and the order \
         of [[fleet.cluster]] with other nodes; where it shall change hands, pass --replace-other-fleet"
    )]
    Other,
    /// Its commands are called otherwise.
    #[error(
        "calls its commands by other names; compare the line `names:` of [fleet] credentials_file with the servers' \
         secrets.conf"
    )]
    Names,
}

/// Our functions for the cluster of this identity, whose servers put this behind the names of their commands.
#[must_use]
pub fn rendered(identity: &str, names: &str) -> String {
    FUNCTIONS.replacen("@IDENTITY@", identity, 1).replacen("@NAMES@", names, 1)
}

/// Loads our functions on every master that does not have them.
///
/// # Errors
/// Why not; nothing was loaded then, unless a server failed meanwhile.
pub fn install(access: &Access, names: &str, replaces_others: bool) -> Result<Installed, Refusal> {
    let code = rendered(&access.identity(), names);
    let members = members(access)?;
    // One without a part of the cluster may be a replica of which the others have not heard.
    let masters = members.iter().filter(|member| member.follows.is_none() && member.has_slots);
    let mut waiting = Vec::new();
    let mut installed = Installed { masters: 0, unchanged: 0 };
    for master in masters {
        let mut connection = access.member(&master.address)?;
        if !has_command(&mut connection, &format!("{NAMED}{names}"))? {
            return Err(Refusal::Names);
        }
        let listed = libraries(&mut connection)?;
        let there = listed.iter().find(|(name, _)| name == LIBRARY).map(|(_, there)| there.as_str());
        installed.masters += 1;
        if there == Some(code.as_str()) {
            installed.unchanged += 1;
        } else {
            may_replace(there, access, replaces_others)?;
            waiting.push(connection);
        }
    }
    waiting.iter_mut().try_for_each(|connection| load(connection, &code))?;
    Ok(installed)
}

/// Whether what is there may be replaced by ours.
fn may_replace(there: Option<&str>, access: &Access, replaces_others: bool) -> Result<(), Refusal> {
    let Some(there) = there else { return Ok(()) };
    // What does not say whose it is, is not ours.
    let (version, fleet, letter) = identity(there).ok_or(Refusal::Other)?;
    if version > VERSION {
        return Err(Refusal::Newer);
    }
    let is_ours = fleet == access.fleet && letter == access.letter.to_string();
    if is_ours || replaces_others { Ok(()) } else { Err(Refusal::Other) }
}

/// Of which version, fleet and cluster these functions say they are.
fn identity(code: &str) -> Option<(u16, &str, &str)> {
    let line = code.lines().find_map(|line| line.strip_prefix("local IDENTITY = '"))?;
    let mut words = line.strip_suffix('\'')?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?, words.next()?))
}

fn load(connection: &mut Connection, code: &str) -> Result<(), Refusal> {
    let loaded = cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(code).query::<Value>(connection);
    loaded.map_err(|error| Trouble::from(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn access(fleet: &str, letter: char) -> Access {
        let (fleet, password) = (fleet.to_owned(), Zeroizing::default());
        Access { letter, fleet, members: Vec::new(), certificates: None, user: "", password }
    }

    #[test]
    fn what_is_newer_or_of_others_is_not_replaced_unasked() {
        let ours = access("0011", 'A');
        let with = |identity: &str| rendered(identity, "-names");
        let may = |there: &str, replaces| may_replace(Some(there), &ours, replaces);
        assert_eq!(may_replace(None, &ours, false), Ok(()));
        assert_eq!(may(&with("0 0011 A"), false), Ok(()));
        assert_eq!(may(&with("1 0011 A"), false), Ok(()));
        for other in ["1 0022 A", "1 0011 B"] {
            assert_eq!((may(&with(other), false), may(&with(other), true)), (Err(Refusal::Other), Ok(())));
        }
        for newer in ["2 0011 A", "2 0022 A"] {
            assert_eq!(
                (may(&with(newer), false), may(&with(newer), true)),
                (Err(Refusal::Newer), Err(Refusal::Newer))
            );
        }
        assert_eq!(may("redis.register_function('f', f)", true), Err(Refusal::Other));
    }

    #[test]
    fn both_places_are_filled_in() {
        let code = rendered("1 0011 A", "-names");
        assert!(!code.contains("@IDENTITY@") && !code.contains("@NAMES@"));
        assert_eq!(identity(&code), Some((1, "0011", "A")));
    }
}
