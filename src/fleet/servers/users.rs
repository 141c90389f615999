//! Who may do what on a server: its access list is held to the shipped one, user by user. Passwords are not looked at.

use super::asked::Asked;
use super::finding::Finding;
use std::collections::BTreeSet;

/// The access list that is shipped.
const SHIPPED: &str = include_str!("../../../deploy/fleet/users.acl");

const REMEDY: &str = "install users.acl as deploy/fleet/secrets makes it, and restart the servers";

/// A user of an access list.
struct User<'a> {
    name: &'a str,
    is_on: bool,
    needs_no_password: bool,
    /// Commands that it may call.
    may: BTreeSet<&'a str>,
    /// Keys, channels and selectors, and whatever else widens what it may do.
    reaches: BTreeSet<&'a str>,
}

impl<'a> User<'a> {
    fn of(line: &'a str) -> Option<Self> {
        // Selectors have spaces within.
        let (line, selectors) = line.split_at(line.find(" (").unwrap_or(line.len()));
        let mut words = line.split_whitespace();
        let name = (words.next() == Some("user")).then(|| words.next())??;
        let mut user = Self {
            name,
            is_on: false,
            needs_no_password: false,
            may: BTreeSet::new(),
            reaches: BTreeSet::new(),
        };
        for word in words {
            match word {
                "on" => user.is_on = true,
                "nopass" => user.needs_no_password = true,
                "off" | "sanitize-payload" | "resetchannels" | "resetkeys" | "-@all" => {}
                word if word.starts_with('#') || word.starts_with('-') => {}
                word if word.starts_with('+') => {
                    user.may.insert(word);
                }
                word => {
                    user.reaches.insert(word);
                }
            }
        }
        user.reaches
            .extend(selectors.split_inclusive(')').map(str::trim).filter(|selector| !selector.is_empty()));
        Some(user)
    }
}

/// What is wrong with the users of a server.
pub(super) fn findings(asked: &Asked) -> Vec<Finding> {
    let void = |what: String, does: &str| Finding::void(&asked.address, &what, does, REMEDY);
    let shipped: Vec<User<'_>> = SHIPPED.lines().filter_map(User::of).collect();
    let mut findings = Vec::new();
    for user in asked.users.iter().filter_map(|line| User::of(line)).filter(|user| user.is_on) {
        let name = user.name;
        if user.needs_no_password {
            findings.push(void(format!("user {name}"), "logs in without a password"));
        }
        let Some(ours) = shipped.iter().find(|ours| ours.name == name && ours.is_on) else {
            findings.push(void(format!("user {name}"), "may log in, and is none of blindmeter's"));
            continue;
        };
        let more: Vec<&str> =
            user.may.difference(&ours.may).chain(user.reaches.difference(&ours.reaches)).copied().collect();
        if !more.is_empty() {
            let what = format!("user {name} {}", more.join(" "));
            findings.push(void(what, "may do more than its role"));
        }
    }
    for ours in shipped.iter().filter(|ours| ours.is_on) {
        let is_there = asked
            .users
            .iter()
            .filter_map(|line| User::of(line))
            .any(|user| user.name == ours.name && user.is_on);
        if !is_there {
            let does = "is missing: its role cannot log in";
            findings.push(Finding::note(&asked.address, &format!("user {}", ours.name), does, REMEDY));
        }
    }
    findings
}
