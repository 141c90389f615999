//! One thing that is wrong with a server, in the words of a report: names of settings, users and programs alone.

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub state: State,
    /// The servers, as `ADDRESS:PORT`.
    pub servers: Vec<String>,
    /// The setting, user or program.
    pub what: String,
    /// What it does.
    pub does: String,
    /// What to do.
    pub remedy: String,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// It keeps a history, opens a door, or makes answers wrong.
    Void,
    /// A server could not be looked at.
    Unknown,
    /// It costs availability alone.
    Note,
}

impl State {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Unknown => "unknown",
            Self::Note => "note",
        }
    }
}

impl Finding {
    pub(super) fn new(state: State, server: &str, what: &str, does: &str, remedy: &str) -> Self {
        let [what, does, remedy] = [what, does, remedy].map(str::to_owned);
        Self { state, servers: vec![server.to_owned()], what, does, remedy }
    }

    pub(super) fn void(server: &str, what: &str, does: &str, remedy: &str) -> Self {
        Self::new(State::Void, server, what, does, remedy)
    }

    pub(super) fn note(server: &str, what: &str, does: &str, remedy: &str) -> Self {
        Self::new(State::Note, server, what, does, remedy)
    }
}
