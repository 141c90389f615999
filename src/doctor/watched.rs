//! The tunnel's interfaces, which other programs must leave out.
//!
//! An interface that only a glob matches is never named: some servers make one per client, and what
//! `doctor` prints must not show who is connected.

use crate::config::Pattern;

/// What a `*` stands for in the sample names that programs are checked against.
const SAMPLES: [&str; 2] = ["0", "17"];

/// An interface's name, and the configured pattern that it comes from.
struct Watched {
    name: String,
    pattern: String,
}

/// The tunnel's interfaces.
pub(super) struct Tunnel {
    watched: Vec<Watched>,
}

impl Tunnel {
    /// The names in the configuration; for a glob, the interfaces it matches now and samples of those
    /// it may match later.
    pub(super) fn of(patterns: &[Pattern], links: &[(u32, String)]) -> Self {
        let mut watched = Vec::new();
        for pattern in patterns {
            let mut names: Vec<String> = Vec::new();
            if pattern.is_glob() {
                let matching = links.iter().filter(|(_, name)| pattern.matches(name));
                names.extend(matching.map(|(_, name)| name.clone()));
                names.extend(
                    SAMPLES.iter().map(|sample| pattern.text().replace('*', sample).replace('?', "0")),
                );
            } else {
                names.push(pattern.text().to_owned());
            }
            let pattern = pattern.text().to_owned();
            watched.extend(names.into_iter().map(|name| Watched { name, pattern: pattern.clone() }));
        }
        Self { watched }
    }

    /// The patterns with an interface for which this is true, as they are written in the configuration.
    pub(super) fn patterns_where(&self, is_so: impl Fn(&str) -> bool) -> Vec<String> {
        let mut patterns: Vec<String> = Vec::new();
        for watched in &self.watched {
            if !patterns.contains(&watched.pattern) && is_so(&watched.name) {
                patterns.push(watched.pattern.clone());
            }
        }
        patterns
    }

    /// All patterns.
    pub(super) fn patterns(&self) -> Vec<String> {
        self.patterns_where(|_| true)
    }
}

/// True for a pattern whose interfaces may come and go with clients.
pub(super) fn is_glob(pattern: &str) -> bool {
    Pattern::of_name(pattern).is_glob()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_asked_about_with_those_that_are_and_those_that_may_come() {
        let patterns = ["wg0", "tun*"].map(Pattern::of_name);
        let links = [(7, "tun-b".to_owned()), (8, "eth0".to_owned()), (9, "wg1".to_owned())];
        let tunnel = Tunnel::of(&patterns, &links);
        assert_eq!(tunnel.patterns(), ["wg0", "tun*"]);
        for (name, patterns) in [("tun-b", vec!["tun*"]), ("tun17", vec!["tun*"]), ("wg0", vec!["wg0"])] {
            assert_eq!(tunnel.patterns_where(|asked| asked == name), patterns, "{name}");
        }
        assert!(tunnel.patterns_where(|asked| asked == "eth0" || asked == "wg1").is_empty());
    }
}
