//! Every word of the pages, once in each language.
//!
//! Constant texts alone. What to do about a flag is `control::advice`'s; what to say to the user is here.

mod english;
mod french;

use crate::config::Language;
use crate::meter::flags::kind::Kind;

/// The texts of a language.
pub(super) struct Words {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) skip: &'static str,
    pub(super) sections: &'static str,
    pub(super) languages: &'static str,
    pub(super) nav: Nav,
    pub(super) look_up: LookUp,
    pub(super) account: Account,
    pub(super) flagged: Flagged,
    pub(super) node: Node,
    pub(super) rights: Rights,
    pub(super) export: Export,
    pub(super) refusals: Refusals,
    pub(super) months: [&'static str; 12],
    /// From Monday.
    pub(super) weekdays: [&'static str; 7],
    pub(super) flags: fn(Kind) -> FlagWords,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    pub(super) gib: &'static str,
    /// With the spaces around it.
    pub(super) colon: &'static str,
    pub(super) decimal: char,
    pub(super) thousands: char,
    pub(super) first_of_month: &'static str,
}

/// A kind of flag, in plain words.
pub(super) struct FlagWords {
    /// What is asked, to be answered by yes or no.
    pub(super) question: &'static str,
    /// What to say to the user.
    pub(super) say: &'static str,
}

pub(super) struct Nav {
    pub(super) look_up: &'static str,
    pub(super) flagged: &'static str,
    pub(super) node: &'static str,
    pub(super) rights: &'static str,
}

pub(super) struct LookUp {
    pub(super) heading: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) button: &'static str,
    pub(super) limits: &'static str,
    pub(super) unknown: &'static str,
}

pub(super) struct Account {
    /// `{first}`, `{last}`, `{as_of}`.
    pub(super) used_since: &'static str,
    pub(super) used_in: &'static str,
    /// `{low}`, `{high}`.
    pub(super) band: &'static str,
    pub(super) lowest: &'static str,
    pub(super) highest: &'static str,
    pub(super) both_ways: &'static str,
    /// `{number}`.
    pub(super) bar: &'static str,
    pub(super) bar_from: &'static str,
    pub(super) bar_to: &'static str,
    pub(super) bar_note: &'static str,
    pub(super) contact: &'static str,
    pub(super) information: &'static str,
    pub(super) shown_for: &'static str,
    pub(super) to_do: &'static str,
    pub(super) say: &'static str,
    pub(super) say_nothing_found: &'static str,
    pub(super) say_interrupted: &'static str,
    pub(super) this_node: &'static str,
    pub(super) nobody_sees: &'static str,
    pub(super) nobody_sees_what: &'static str,
    pub(super) refused: &'static str,
    /// What is asked for, and what to answer.
    pub(super) refused_for_ever: [(&'static str, &'static str); 5],
    pub(super) another: &'static str,
    pub(super) flags_off: &'static str,
}

pub(super) struct Flagged {
    pub(super) heading: &'static str,
    pub(super) intro: &'static str,
    pub(super) contact: &'static str,
    pub(super) information: &'static str,
    pub(super) nobody: &'static str,
    pub(super) nobody_waits: &'static str,
    /// `{count}`.
    pub(super) unnamed: &'static str,
    pub(super) mass_event: &'static str,
    pub(super) off: &'static str,
    pub(super) look_up: &'static str,
    pub(super) severities: [(&'static str, &'static str); 5],
}

pub(super) struct Node {
    pub(super) heading: &'static str,
    pub(super) working: &'static str,
    pub(super) interrupted: &'static str,
    pub(super) degraded: &'static str,
    pub(super) too_few: &'static str,
    pub(super) parts: &'static str,
    pub(super) interface: &'static str,
    pub(super) source: &'static str,
    pub(super) close: &'static str,
    pub(super) save: &'static str,
    pub(super) reload: &'static str,
    pub(super) accounts: &'static str,
    pub(super) next_release: &'static str,
    pub(super) version: &'static str,
    pub(super) remarks: &'static str,
    pub(super) not_yet: &'static str,
    pub(super) note: &'static str,
}

pub(super) struct Rights {
    pub(super) heading: &'static str,
    pub(super) intro: &'static str,
    pub(super) open_epoch: &'static str,
    pub(super) plan: &'static str,
    pub(super) page: &'static str,
    pub(super) json: &'static str,
    pub(super) limits: &'static str,
    pub(super) planned: &'static str,
    pub(super) named: &'static str,
    pub(super) repeats: &'static str,
    pub(super) uses_up: &'static str,
    pub(super) left: &'static str,
    pub(super) refusal: &'static str,
    pub(super) nothing: &'static str,
    pub(super) back: &'static str,
    pub(super) two_person: &'static str,
    pub(super) export: &'static str,
    pub(super) correct: &'static str,
    pub(super) correct_button: &'static str,
    pub(super) correct_note: &'static str,
    pub(super) in_bytes: &'static str,
    pub(super) reason: &'static str,
    /// In the order of `Reason::ALL`.
    pub(super) reasons: [&'static str; 4],
    pub(super) erase: &'static str,
    pub(super) erase_button: &'static str,
    pub(super) erase_note: &'static str,
    pub(super) pending: &'static str,
    pub(super) approve: &'static str,
    pub(super) approved: &'static str,
    pub(super) own: &'static str,
    /// `{who}`, `{ends}`.
    pub(super) asked_by: &'static str,
    /// What is asked for, as reports spell it, and in words.
    pub(super) whats: &'static [(&'static str, &'static str)],
    pub(super) audit: &'static str,
    pub(super) audit_link: &'static str,
    pub(super) audit_note: &'static str,
    pub(super) day: &'static str,
    pub(super) who: &'static str,
    pub(super) did: &'static str,
    pub(super) count: &'static str,
    pub(super) corrected: &'static str,
    pub(super) corrected_note: &'static str,
    pub(super) erased: &'static str,
    pub(super) was_erased: &'static str,
    pub(super) remains: &'static str,
    pub(super) until: &'static str,
}

pub(super) struct Export {
    pub(super) heading: &'static str,
    /// `{first}`, `{last}`.
    pub(super) period: &'static str,
    pub(super) closed: &'static str,
    pub(super) open: &'static str,
    pub(super) sent: &'static str,
    pub(super) received: &'static str,
    pub(super) bytes: &'static str,
    pub(super) packets: &'static str,
    pub(super) flags: &'static str,
    pub(super) no_flags: &'static str,
    pub(super) usual: &'static str,
    pub(super) usual_note: &'static str,
    pub(super) usual_none: &'static str,
    pub(super) levels: [&'static str; 4],
    pub(super) volume: [&'static str; 3],
    pub(super) sums: [&'static str; 4],
    pub(super) epochs: [&'static str; 2],
    pub(super) level: &'static str,
    pub(super) scale: &'static str,
    pub(super) words: &'static str,
    pub(super) meanings: &'static [(&'static str, &'static str)],
    pub(super) not_held: &'static str,
    pub(super) not_held_what: &'static str,
    pub(super) rights: &'static str,
    pub(super) rights_what: &'static str,
}

pub(super) struct Refusals {
    pub(super) role: (&'static str, &'static str),
    pub(super) nowhere: (&'static str, &'static str),
    pub(super) method: (&'static str, &'static str),
    pub(super) other_site: (&'static str, &'static str),
    pub(super) kind: (&'static str, &'static str),
    pub(super) large: (&'static str, &'static str),
    pub(super) slow: (&'static str, &'static str),
    pub(super) wrong: (&'static str, &'static str),
    pub(super) same_person: (&'static str, &'static str),
    pub(super) missing: (&'static str, &'static str),
    pub(super) limit: (&'static str, &'static str),
    pub(super) waits: (&'static str, &'static str),
    /// `{id}`, `{ends}`.
    pub(super) waits_until: &'static str,
    pub(super) failed: (&'static str, &'static str),
    pub(super) node_says: &'static str,
}

impl Words {
    /// The texts of a language.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::WORDS,
            Language::French => &french::WORDS,
        }
    }
}

/// A text with `{name}` in place of values.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_words_and_both_languages_the_same_places_for_values() {
        let [english, french] = Language::ALL.map(Words::of);
        for kind in Kind::ALL {
            assert_ne!((english.flags)(kind).question, (french.flags)(kind).question);
            assert_ne!((english.flags)(kind).say, (french.flags)(kind).say);
        }
        let places = |words: &Words| {
            let texts = [
                words.account.used_since,
                words.account.used_in,
                words.account.band,
                words.account.bar,
                words.flagged.unnamed,
                words.export.period,
                words.rights.asked_by,
                words.refusals.waits_until,
            ];
            texts.map(|text| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split_once('}'))
                    .map(|(name, _)| name.to_owned())
                    .collect();
                names.sort_unstable();
                names
            })
        };
        assert_eq!(places(english), places(french));
    }
}
