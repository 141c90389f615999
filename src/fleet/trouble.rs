//! Why a cluster did not do what it was asked for, in one line that says what to do. Holds nothing of an account.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a cluster did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No member answers, or too few.
    #[error(
        "cannot be reached, or has lost members; see that its servers run, then `blindmeter fleet check`"
    )]
    Unreachable,
    /// The certificate or the log-in is not taken.
    #[error("refuses the log-in; compare [fleet] credentials_file with the servers' users.acl")]
    LogIn,
    /// The user may not do this.
    #[error("does not let this user do that; install users.acl of this version of blindmeter on its servers")]
    Permission,
    /// There are no functions.
    #[error("has lost its functions, as a server does that starts; run `blindmeter fleet install`")]
    NotInstalled,
    /// Functions of another version.
    #[error(
        "has functions of another version of blindmeter; run `blindmeter fleet install` of the newest one"
    )]
    Version,
    /// Installed with another key.
    #[error("was installed with another fleet key; compare [fleet] key_file on all nodes")]
    Fleet,
    /// The members of another cluster.
    #[error(
        "is another cluster of this fleet; see the order of [[fleet.cluster]], and which members were joined"
    )]
    Cluster,
    /// The clocks differ.
    #[error("tells another day than this node; set the clock right (timedatectl), on both sides")]
    Clock,
    /// A later week was sent under this name.
    #[error("has a later week of this node: the clock was ahead, or two nodes have the same [node] name")]
    Week,
    /// Erased or corrected since.
    #[error("has seen the account erased or corrected meanwhile; ask again")]
    Mark,
    /// No memory is left.
    #[error("is full, and kept nothing of this; give its servers more memory (maxmemory), or more masters")]
    Full,
    /// Two members do not agree, or an answer is none of ours.
    #[error("answers what blindmeter's functions never answer; run `blindmeter fleet check`")]
    Answer,
}

impl Trouble {
    const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::LogIn,
        Self::Permission,
        Self::NotInstalled,
        Self::Version,
        Self::Fleet,
        Self::Cluster,
        Self::Clock,
        Self::Week,
        Self::Mark,
        Self::Full,
        Self::Answer,
    ];

    /// Its number, from one process to the other.
    #[must_use]
    pub fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|one| *one == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
    }

    /// The trouble of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Answer)
    }
}

impl From<&RedisError> for Trouble {
    fn from(error: &RedisError) -> Self {
        // Of several refusals the first tells.
        let refused = error.clone().into_server_errors();
        if let Some((_, refused)) = refused.as_ref().and_then(|refused| refused.first()) {
            return Self::of_server(refused.code(), refused.details().unwrap_or_default());
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::LogIn,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Permission,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Answer,
            _ => Self::of_server(error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
        }
    }
}

impl Trouble {
    fn of_server(code: &str, detail: &str) -> Self {
        match code {
            "BMVERSION" => Self::Version,
            "BMFLEET" => Self::Fleet,
            "BMCLUSTER" => Self::Cluster,
            "BMCLOCK" => Self::Clock,
            "BMWEEK" => Self::Week,
            "BMMARK" => Self::Mark,
            "OOM" => Self::Full,
            "WRONGPASS" | "NOAUTH" => Self::LogIn,
            "NOPERM" => Self::Permission,
            "ERR" if detail.contains("can't run this command") => Self::Permission,
            // The second: functions that were loaded for servers with other names for their commands.
            "ERR" if detail.contains("Function not found") || detail.contains("called from script") => {
                Self::NotInstalled
            }
            "ERR" => Self::Answer,
            _ => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_comes_out_as_it_went_in_and_is_one_line() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::of_number(trouble.number()), trouble);
            let line = trouble.to_string();
            assert!(line.len() > 40 && !line.contains('\n'), "{line}");
        }
        assert_eq!(Trouble::of_number(200), Trouble::Answer);
    }
}
