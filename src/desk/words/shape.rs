//! Which words the pages have, whatever the language.

use crate::meter::flags::kind::Kind;

/// The texts of a language.
pub(in crate::desk) struct Words {
    pub(in crate::desk) code: &'static str,
    pub(in crate::desk) title: &'static str,
    pub(in crate::desk) skip: &'static str,
    pub(in crate::desk) sections: &'static str,
    pub(in crate::desk) languages: &'static str,
    pub(in crate::desk) nav: Nav,
    pub(in crate::desk) look_up: LookUp,
    pub(in crate::desk) account: Account,
    pub(in crate::desk) fleet: Fleet,
    pub(in crate::desk) flagged: Flagged,
    pub(in crate::desk) node: Node,
    pub(in crate::desk) rights: Rights,
    pub(in crate::desk) export: Export,
    pub(in crate::desk) refusals: Refusals,
    pub(in crate::desk) months: [&'static str; 12],
    /// From Monday.
    pub(in crate::desk) weekdays: [&'static str; 7],
    pub(in crate::desk) flags: fn(Kind) -> FlagWords,
    pub(in crate::desk) yes: &'static str,
    pub(in crate::desk) no: &'static str,
    pub(in crate::desk) gib: &'static str,
    /// With the spaces around it.
    pub(in crate::desk) colon: &'static str,
    pub(in crate::desk) decimal: char,
    pub(in crate::desk) thousands: char,
    pub(in crate::desk) first_of_month: &'static str,
}

/// A kind of flag, in plain words.
pub(in crate::desk) struct FlagWords {
    /// What is asked, to be answered by yes or no.
    pub(in crate::desk) question: &'static str,
    /// What to say to the user.
    pub(in crate::desk) say: &'static str,
}

pub(in crate::desk) struct Nav {
    pub(in crate::desk) look_up: &'static str,
    pub(in crate::desk) flagged: &'static str,
    pub(in crate::desk) node: &'static str,
    pub(in crate::desk) rights: &'static str,
}

pub(in crate::desk) struct LookUp {
    pub(in crate::desk) heading: &'static str,
    pub(in crate::desk) label: &'static str,
    pub(in crate::desk) hint: &'static str,
    pub(in crate::desk) button: &'static str,
    pub(in crate::desk) limits: &'static str,
    pub(in crate::desk) unknown: &'static str,
}

pub(in crate::desk) struct Account {
    /// `{first}`, `{last}`, `{as_of}`.
    pub(in crate::desk) used_since: &'static str,
    pub(in crate::desk) used_in: &'static str,
    /// `{low}`, `{high}`.
    pub(in crate::desk) band: &'static str,
    pub(in crate::desk) lowest: &'static str,
    pub(in crate::desk) highest: &'static str,
    pub(in crate::desk) both_ways: &'static str,
    /// `{number}`.
    pub(in crate::desk) bar: &'static str,
    pub(in crate::desk) bar_from: &'static str,
    pub(in crate::desk) bar_to: &'static str,
    pub(in crate::desk) bar_note: &'static str,
    pub(in crate::desk) contact: &'static str,
    pub(in crate::desk) information: &'static str,
    pub(in crate::desk) shown_for: &'static str,
    pub(in crate::desk) to_do: &'static str,
    pub(in crate::desk) say: &'static str,
    pub(in crate::desk) say_nothing_found: &'static str,
    pub(in crate::desk) say_interrupted: &'static str,
    pub(in crate::desk) this_node: &'static str,
    pub(in crate::desk) nobody_sees: &'static str,
    pub(in crate::desk) nobody_sees_what: &'static str,
    pub(in crate::desk) refused: &'static str,
    /// What is asked for, and what to answer.
    pub(in crate::desk) refused_for_ever: [(&'static str, &'static str); 5],
    pub(in crate::desk) another: &'static str,
    pub(in crate::desk) flags_off: &'static str,
}

pub(in crate::desk) struct Fleet {
    pub(in crate::desk) button: &'static str,
    pub(in crate::desk) costs: &'static str,
    pub(in crate::desk) what: &'static str,
    /// `{nodes}`.
    pub(in crate::desk) nodes: &'static str,
    /// `{nodes}`, `{stale}`.
    pub(in crate::desk) stale: &'static str,
    pub(in crate::desk) no_node: &'static str,
    pub(in crate::desk) flags: &'static str,
    pub(in crate::desk) no_flag: &'static str,
    /// `{nodes}`.
    pub(in crate::desk) on: &'static str,
    pub(in crate::desk) nobody_sees_what: &'static str,
}

pub(in crate::desk) struct Flagged {
    pub(in crate::desk) heading: &'static str,
    pub(in crate::desk) intro: &'static str,
    pub(in crate::desk) contact: &'static str,
    pub(in crate::desk) information: &'static str,
    pub(in crate::desk) nobody: &'static str,
    pub(in crate::desk) nobody_waits: &'static str,
    /// `{count}`.
    pub(in crate::desk) unnamed: &'static str,
    pub(in crate::desk) mass_event: &'static str,
    pub(in crate::desk) off: &'static str,
    pub(in crate::desk) look_up: &'static str,
    pub(in crate::desk) severities: [(&'static str, &'static str); 5],
}

pub(in crate::desk) struct Node {
    pub(in crate::desk) heading: &'static str,
    pub(in crate::desk) working: &'static str,
    pub(in crate::desk) interrupted: &'static str,
    pub(in crate::desk) degraded: &'static str,
    pub(in crate::desk) too_few: &'static str,
    pub(in crate::desk) parts: &'static str,
    pub(in crate::desk) interface: &'static str,
    pub(in crate::desk) source: &'static str,
    pub(in crate::desk) close: &'static str,
    pub(in crate::desk) save: &'static str,
    pub(in crate::desk) reload: &'static str,
    pub(in crate::desk) accounts: &'static str,
    pub(in crate::desk) next_release: &'static str,
    pub(in crate::desk) version: &'static str,
    pub(in crate::desk) remarks: &'static str,
    pub(in crate::desk) not_yet: &'static str,
    pub(in crate::desk) note: &'static str,
}

pub(in crate::desk) struct Rights {
    pub(in crate::desk) heading: &'static str,
    pub(in crate::desk) intro: &'static str,
    pub(in crate::desk) open_epoch: &'static str,
    pub(in crate::desk) plan: &'static str,
    pub(in crate::desk) page: &'static str,
    pub(in crate::desk) json: &'static str,
    pub(in crate::desk) limits: &'static str,
    pub(in crate::desk) planned: &'static str,
    pub(in crate::desk) named: &'static str,
    pub(in crate::desk) repeats: &'static str,
    pub(in crate::desk) uses_up: &'static str,
    pub(in crate::desk) left: &'static str,
    pub(in crate::desk) refusal: &'static str,
    pub(in crate::desk) nothing: &'static str,
    pub(in crate::desk) back: &'static str,
    pub(in crate::desk) two_person: &'static str,
    pub(in crate::desk) export: &'static str,
    pub(in crate::desk) correct: &'static str,
    pub(in crate::desk) correct_button: &'static str,
    pub(in crate::desk) correct_note: &'static str,
    pub(in crate::desk) in_bytes: &'static str,
    pub(in crate::desk) reason: &'static str,
    /// In the order of `Reason::ALL`.
    pub(in crate::desk) reasons: [&'static str; 4],
    pub(in crate::desk) erase: &'static str,
    pub(in crate::desk) erase_button: &'static str,
    pub(in crate::desk) erase_note: &'static str,
    pub(in crate::desk) pending: &'static str,
    pub(in crate::desk) approve: &'static str,
    pub(in crate::desk) approved: &'static str,
    pub(in crate::desk) own: &'static str,
    /// `{who}`, `{ends}`.
    pub(in crate::desk) asked_by: &'static str,
    /// What is asked for, as reports spell it, and in words.
    pub(in crate::desk) whats: &'static [(&'static str, &'static str)],
    pub(in crate::desk) audit: &'static str,
    pub(in crate::desk) audit_link: &'static str,
    pub(in crate::desk) audit_note: &'static str,
    pub(in crate::desk) day: &'static str,
    pub(in crate::desk) who: &'static str,
    pub(in crate::desk) did: &'static str,
    pub(in crate::desk) count: &'static str,
    pub(in crate::desk) corrected: &'static str,
    pub(in crate::desk) corrected_note: &'static str,
    pub(in crate::desk) erased: &'static str,
    pub(in crate::desk) was_erased: &'static str,
    pub(in crate::desk) remains: &'static str,
    pub(in crate::desk) until: &'static str,
}

pub(in crate::desk) struct Export {
    pub(in crate::desk) heading: &'static str,
    /// `{first}`, `{last}`.
    pub(in crate::desk) period: &'static str,
    pub(in crate::desk) closed: &'static str,
    pub(in crate::desk) open: &'static str,
    pub(in crate::desk) sent: &'static str,
    pub(in crate::desk) received: &'static str,
    pub(in crate::desk) bytes: &'static str,
    pub(in crate::desk) packets: &'static str,
    pub(in crate::desk) flags: &'static str,
    pub(in crate::desk) no_flags: &'static str,
    pub(in crate::desk) usual: &'static str,
    pub(in crate::desk) usual_note: &'static str,
    pub(in crate::desk) usual_none: &'static str,
    pub(in crate::desk) levels: [&'static str; 4],
    pub(in crate::desk) volume: [&'static str; 3],
    pub(in crate::desk) sums: [&'static str; 4],
    pub(in crate::desk) epochs: [&'static str; 2],
    pub(in crate::desk) level: &'static str,
    pub(in crate::desk) scale: &'static str,
    pub(in crate::desk) words: &'static str,
    pub(in crate::desk) meanings: &'static [(&'static str, &'static str)],
    pub(in crate::desk) not_held: &'static str,
    pub(in crate::desk) not_held_what: &'static str,
    pub(in crate::desk) rights: &'static str,
    pub(in crate::desk) rights_what: &'static str,
}

pub(in crate::desk) struct Refusals {
    pub(in crate::desk) role: (&'static str, &'static str),
    pub(in crate::desk) nowhere: (&'static str, &'static str),
    pub(in crate::desk) method: (&'static str, &'static str),
    pub(in crate::desk) other_site: (&'static str, &'static str),
    pub(in crate::desk) kind: (&'static str, &'static str),
    pub(in crate::desk) large: (&'static str, &'static str),
    pub(in crate::desk) slow: (&'static str, &'static str),
    pub(in crate::desk) wrong: (&'static str, &'static str),
    pub(in crate::desk) same_person: (&'static str, &'static str),
    pub(in crate::desk) missing: (&'static str, &'static str),
    pub(in crate::desk) limit: (&'static str, &'static str),
    pub(in crate::desk) waits: (&'static str, &'static str),
    /// `{id}`, `{ends}`.
    pub(in crate::desk) waits_until: &'static str,
    pub(in crate::desk) failed: (&'static str, &'static str),
    pub(in crate::desk) node_says: &'static str,
}
