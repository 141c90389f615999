//! Every word of the pages, once in each language.
//!
//! Constant texts alone. What to do about a flag is `control::advice`'s; what to say to the user is here.

mod english;
mod french;
mod shape;

pub(super) use shape::{FlagWords, Words};

use crate::config::Language;

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
    use crate::meter::flags::kind::Kind;

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
                words.fleet.nodes,
                words.fleet.stale,
                words.fleet.on,
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
