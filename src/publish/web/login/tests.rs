//! What a header must hold, and which log-ins are remembered for how long.

use super::*;

/// `correct horse` and `battery staple` by crypt(3), of costs 5 and 6.
const HORSE: &str = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";
const STAPLE: &str = "$2b$06$ABCDEFGHIJKLMNOPQRSTUu8bQnFJ7rjSwIGfs29sz1kEbdDZhgWWu";

fn users(rows: &[(&str, &str)]) -> Vec<User> {
    let user = |(name, hash): &(&str, &str)| User {
        name: Zeroizing::new((*name).to_owned()),
        hash: Zeroizing::new((*hash).to_owned()),
    };
    rows.iter().map(user).collect()
}

fn log_in(rows: &[(&str, &str)], before: Option<&LogIn>) -> LogIn {
    LogIn::of(&users(rows), before).expect("there are users")
}

fn headers(values: &[&str]) -> HeaderMap {
    let value = |value: &&str| (AUTHORIZATION, value.parse().expect("a header's value"));
    values.iter().map(value).collect()
}

fn credential(text: &str) -> Credential {
    let header = format!("Basic {}", BASE64_STANDARD.encode(text));
    Credential::read(&headers(&[&header])).expect("a credential")
}

fn checked(log_in: &LogIn, text: &str) -> bool {
    let credential = credential(text);
    let proof = log_in.proof(&credential);
    log_in.check(&credential, proof)
}

fn known(log_in: &LogIn, text: &str) -> Option<bool> {
    let credential = credential(text);
    log_in.known(&credential, &log_in.proof(&credential))
}

#[test]
fn a_credential_is_read_as_the_standard_says_and_no_other() {
    let read = credential("ann:pass:word");
    assert_eq!((read.name(), read.password()), (&b"ann"[..], &b"pass:word"[..]));
    assert_eq!(credential(":").password(), b"");
    let good = format!("bAsIc   {}  ", BASE64_STANDARD.encode("ann:x"));
    assert!(Credential::read(&headers(&[&good])).is_some());
    for bad in
        ["", "Basic", "Basic ", "Bearer YTpi", "Basic YTpi YTpi", "Basic YTpi!", "Basic YWI=", "BasicYTpi"]
    {
        assert!(Credential::read(&headers(&[bad])).is_none(), "{bad:?}");
    }
    assert!(Credential::read(&headers(&["Basic YTpi", "Basic YTpi"])).is_none(), "two of them");
    assert!(Credential::read(&HeaderMap::new()).is_none());
    let control = format!("Basic {}", BASE64_STANDARD.encode("ann:x\0x"));
    assert!(Credential::read(&headers(&[&control])).is_none(), "bcrypt would take it for ann:x");
}

#[test]
fn only_the_right_password_of_the_name_is_right_and_remembered() {
    let log_in = log_in(&[("ann", HORSE), ("bob", STAPLE)], None);
    for (text, right) in [
        ("ann:correct horse", true),
        ("bob:battery staple", true),
        ("ann:battery staple", false),
        ("bob:correct horse", false),
        ("ann:", false),
        ("eve:correct horse", false),
        (":correct horse", false),
        ("ann:correct hors", false),
    ] {
        assert_eq!(known(&log_in, text), None, "{text}: not checked yet");
        assert_eq!(checked(&log_in, text), right, "{text}");
        assert_eq!(known(&log_in, text), Some(right), "{text}");
    }
    assert_eq!(known(&log_in, "ann:correct horse"), Some(true), "a failed one forgets nothing");
}

#[test]
fn a_reload_forgets_what_its_file_no_longer_says() {
    let before = log_in(&[("ann", HORSE), ("bob", STAPLE)], None);
    checked(&before, "ann:correct horse");
    checked(&before, "bob:battery staple");
    checked(&before, "ann:battery staple");
    let same = log_in(&[("bob", STAPLE), ("ann", HORSE)], Some(&before));
    assert!([known(&same, "ann:correct horse"), known(&same, "bob:battery staple")] == [Some(true); 2]);
    let other_hash = log_in(&[("ann", STAPLE)], Some(&before));
    assert!(known(&other_hash, "ann:correct horse").is_none(), "the password was changed");
    assert!(known(&other_hash, "bob:battery staple").is_none(), "the name was removed");
    assert!(known(&other_hash, "ann:battery staple").is_none(), "what failed may be right now");
    let again = log_in(&[("bob", STAPLE)], Some(&other_hash));
    assert!(known(&again, "bob:battery staple").is_none(), "and stays forgotten");
    assert!(LogIn::of(&[], Some(&before)).is_none(), "no names, no log-in");
}

#[test]
fn what_is_known_of_failed_log_ins_is_bounded() {
    let log_in = log_in(&[("ann", HORSE)], None);
    for guess in 0..FAILED + 4 {
        assert!(!checked(&log_in, &format!("ann:{guess}")));
    }
    let is_known = |guess: &usize| known(&log_in, &format!("ann:{guess}")) == Some(false);
    assert_eq!((0..FAILED + 4).filter(is_known).collect::<Vec<_>>(), (4..FAILED + 4).collect::<Vec<_>>());
}
