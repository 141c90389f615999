//! Every page, for whom it is; the screen of an account; exports; limits.

use crate::daemon::http::Answer;
use crate::fixture::{Desk, PASSWORD, STAFF, basic, shown};

/// Path, method, and which of the staff may.
const PATHS: [(&str, &str, [bool; 3]); 20] = [
    ("/", "GET", [true, true, false]),
    ("/account", "POST", [true, false, false]),
    ("/flagged", "GET", [true, false, false]),
    ("/node", "GET", [true, true, false]),
    ("/rights", "GET", [false, true, false]),
    ("/rights/export", "POST", [false, true, false]),
    ("/rights/correct", "POST", [false, true, false]),
    ("/rights/erase", "POST", [false, true, false]),
    ("/rights/approve", "POST", [false, true, false]),
    ("/rights/audit", "GET", [false, true, false]),
    ("/api/v1/account", "POST", [true, false, false]),
    ("/api/v1/flagged", "GET", [true, false, false]),
    ("/api/v1/node", "GET", [true, true, false]),
    ("/api/v1/rights/export", "POST", [false, true, false]),
    ("/api/v1/rights/correct", "POST", [false, true, false]),
    ("/api/v1/rights/erase", "POST", [false, true, false]),
    ("/api/v1/rights/pending", "GET", [false, true, false]),
    ("/api/v1/rights/approve", "POST", [false, true, false]),
    ("/api/v1/rights/audit", "GET", [false, true, false]),
    ("/api/v1/openapi.json", "GET", [true, true, false]),
];

#[test]
fn each_path_is_for_its_role_and_refuses_all_others_alike() {
    let desk = Desk::new();
    let daemon = desk.start();
    for (path, method, may) in PATHS {
        for (who, may) in STAFF.into_iter().zip(may) {
            // An empty form: whoever may is told what is missing, and nothing is used up.
            let answer = match (method, path.starts_with("/api/")) {
                ("GET", _) => desk.get(who, path, ""),
                (_, true) => desk.api(who, "POST", path, "{}"),
                (_, false) => desk.post(who, path, ""),
            };
            match (may, method) {
                (false, _) => assert_eq!(answer.status, 403, "{who} {path}"),
                (true, "POST") => assert_eq!(answer.status, 400, "{who} {path}: {}", answer.body),
                (true, _) if path == "/" && who == "clara" => assert_eq!(answer.status, 303),
                (true, _) => assert_eq!(answer.status, 200, "{who} {path}: {}", answer.body),
            }
            if !may {
                // Whatever the body, the method or the query: the same bytes.
                let other = desk.get(who, &format!("{path}?account=canary-one"), "");
                assert_eq!((answer.status, &answer.body), (other.status, &other.body), "{who} {path}");
            }
        }
        // Nobody, and everybody with a wrong password: told the same, whatever the path.
        for log_in in [String::new(), basic("anna", "canary"), basic("nobody", PASSWORD)] {
            let answer = desk.ask(&format!("{method} {path} HTTP/1.1\r\n{log_in}"), "");
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.header("www-authenticate").is_some_and(|asked| asked.starts_with("Basic ")));
            assert_eq!(answer.body, desk.ask("GET /nowhere HTTP/1.1\r\n", "").body);
        }
    }
    assert_eq!(desk.get("anna", "/nowhere", "").status, 404);
    let wrong_way = desk.get("anna", "/account", "");
    assert_eq!((wrong_way.status, wrong_way.header("allow")), (405, Some("POST")));
    assert!(!daemon.said().contains("canary") && !daemon.said().contains("anna"), "{}", daemon.said());
}

fn look_up(desk: &Desk, account: &str) -> Answer {
    desk.post("anna", "/account", &format!("lang=en&account={account}"))
}

#[test]
fn the_screen_of_an_account_answers_in_the_order_that_support_needs() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let answer = look_up(&desk, "canary-one");
    assert_eq!(answer.status, 200);
    let text = shown(&answer.body);
    let mut from = 0;
    for line in [
        "canary-one",
        "Used ",
        ", as of ",
        "less than 1 GiB, or unused",
        "Sends much more than its own usual no",
        "Sends and gets no answers no",
        "Say: We see nothing unusual",
        "This node: ",
        "What nobody here can see: speed, sites, times, whether the user is online",
        "Is the user online now?",
        "When was the last handshake?",
        "How fast is it right now?",
        "What is the user's real address?",
        "Is there a graph by day?",
    ] {
        let at = text[from..].find(line).unwrap_or_else(|| panic!("{line:?} after {:?}", &text[..from]));
        from += at + line.len();
    }
    for word in ["rx", "tx", "upload:", "download"] {
        assert!(!text.split(' ').any(|found| found == word), "{word}");
    }
    assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{}", answer.body);
}

/// A page in place of its account's name.
fn nameless(answer: &Answer, account: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "content-length").cloned().collect();
    (answer.status, headers, answer.body.replace(account, "NAME"))
}

#[test]
fn an_account_that_nobody_has_looks_like_one_that_was_never_used() {
    let desk = Desk::new();
    let _daemon = desk.start();
    for (known, unknown) in [("canary-one", "canary-six"), ("canary-two", "0123456789")] {
        let (one, other) = (look_up(&desk, known), look_up(&desk, unknown));
        assert_eq!(one.header("content-length"), other.header("content-length"));
        assert_eq!(nameless(&one, known), nameless(&other, unknown));
        let ask = |account: &str| {
            desk.api("anna", "POST", "/api/v1/account", &format!("{{\"account\":\"{account}\"}}"))
        };
        let (one, other) = (ask(known), ask(unknown));
        assert_eq!(one.status, 200, "{}", one.body);
        assert_eq!(nameless(&one, known), nameless(&other, unknown));
    }
}

#[test]
fn a_name_is_shown_as_it_is_written_and_makes_no_page_of_its_own() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let answer = look_up(&desk, "%3Cb%3Ex%22%26y");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.body.contains("&lt;b&gt;x&quot;&amp;y") && !answer.body.contains("<b>"),
        "{}",
        answer.body
    );
    // No name of an account: what is wrong is said, and nothing of it repeated.
    for bad in ["", "%20%20", &"x".repeat(129), "caf%C3%A9", "a%00b"] {
        let answer = look_up(&desk, bad);
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
        assert!(!answer.body.contains("xxx") && !answer.body.contains("café"), "{}", answer.body);
    }
}

#[test]
fn the_limit_of_look_ups_is_one_for_page_and_api_and_says_what_to_do() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let ask = |number: u32| match number % 2 {
        0 => look_up(&desk, &format!("name-{number}")).status,
        _ => {
            let body = format!("{{\"account\":\"name-{number}\"}}");
            desk.api("anna", "POST", "/api/v1/account", &body).status
        }
    };
    let answers: Vec<u16> = (0..31).map(ask).collect();
    // Under load, the minute may be over before all of them are asked.
    let refused = answers
        .iter()
        .position(|status| *status == 429)
        .or_else(|| (31..101).position(|number| ask(number) == 429).map(|at| at + 31));
    assert!(refused.is_some_and(|at| at >= 30), "{refused:?}");
    let page = look_up(&desk, "name-0");
    assert_eq!(page.status, 429);
    let text = shown(&page.body);
    assert!(text.contains("That was the limit") && text.contains("Try again in a minute"), "{text}");
    let french = shown(&desk.post("anna", "/account", "lang=fr&account=name-0").body);
    assert!(french.contains("C'était la limite"), "{french}");
    // A limit tells nobody whether the account is there, and hinders nothing else.
    let known = look_up(&desk, "canary-one");
    assert_eq!(nameless(&known, "canary-one"), nameless(&page, "name-0"));
    assert_eq!(desk.get("anna", "/flagged", "").status, 200);
    assert_eq!(desk.get("clara", "/rights", "").status, 200);
}

#[test]
fn an_export_is_planned_printed_and_downloaded() {
    let desk = Desk::new();
    let _daemon = desk.start();
    let ask =
        |kind: &str| desk.post("clara", "/rights/export", &format!("lang=en&as={kind}&account=canary-one"));
    let plan = shown(&ask("plan").body);
    assert!(plan.contains("nothing used up") && plan.contains("names this account yes"), "{plan}");
    let page = ask("page");
    let text = shown(&page.body);
    for part in [
        "What is held about your account",
        "The period from",
        "Sent by the account 0 0",
        "Received by the account 0 0",
        "What the words mean",
        "What is not held",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The same export on the same day is free; the file's name names nobody.
    let file = ask("json");
    assert_eq!(file.status, 200, "{}", file.body);
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"export.json\""));
    let export: serde_json::Value = serde_json::from_str(&file.body).expect("JSON");
    assert_eq!(export["account"], "canary-one");
    let again = shown(&ask("plan").body);
    assert!(again.contains("exported it today: the same figures would be given again yes"), "{again}");
}
