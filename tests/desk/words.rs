//! Both languages: the address's choice, the browser's, the provider's; and what a screen reader needs.

use crate::fixture::{Desk, PASSWORD, basic, shown};

#[test]
fn a_page_speaks_the_language_that_is_chosen_preferred_or_the_providers() {
    let desk = Desk::with("language = \"fr\"", "[support.roles]\nsupport = [\"anna\"]");
    let _daemon = desk.start();
    for (path, headers, code) in [
        ("/", "", "fr"),
        ("/", "Accept-Language: en-GB,en;q=0.9\r\n", "en"),
        ("/", "Accept-Language: de\r\n", "fr"),
        ("/?lang=en", "Accept-Language: fr\r\n", "en"),
        ("/?lang=xx", "", "fr"),
    ] {
        let answer = desk.get("anna", path, headers);
        assert!(
            answer.body.contains(&format!("<html lang=\"{code}\">")),
            "{path} {headers}: {}",
            answer.body
        );
    }
    let french = shown(&desk.post("anna", "/account", "lang=fr&account=canary-one").body);
    for part in
        ["moins de 1 Gio, ou inutilisé", "Envoie sans recevoir de réponses non", "Ce nœud :", "Dire :"]
    {
        assert!(french.contains(part), "{part}: {french}");
    }
    // The form keeps the language.
    let page = desk.post("anna", "/account", "lang=en&account=canary-one");
    assert!(page.body.contains("name=\"lang\" value=\"en\""));
}

/// The provider speaks English; a receipt is handed to whoever the page is shown to.
#[test]
fn a_receipt_speaks_the_language_of_its_page_and_of_the_request() {
    let desk = Desk::new();
    let _daemon = desk.start();
    for (language, said) in [("fr", "les totaux des époques closes"), ("en", "the totals of this period")] {
        let form = format!("lang={language}&account=canary-one");
        let receipt = shown(&desk.post("clara", "/rights/erase", &form).body);
        assert!(receipt.contains(said), "{language}: {receipt}");
        let head = format!("Accept-Language: {language}\r\n");
        let head = format!(
            "POST /api/v1/rights/erase HTTP/1.1\r\n{}{head}Content-Type: application/json\r\n",
            basic("clara", PASSWORD)
        );
        let receipt = desk.ask(&head, "{\"account\":\"canary-one\"}").body;
        assert!(receipt.contains(said), "{language}: {receipt}");
    }
}

#[test]
fn no_name_stands_in_an_address_a_header_or_the_log() {
    let desk = Desk::with("", "[support.roles]\nsupport = [\"anna\"]\nprivacy = [\"anna\"]");
    let daemon = desk.start();
    for (path, more) in [
        ("/account", ""),
        ("/rights/export", "&as=plan"),
        ("/rights/export", "&as=page"),
        ("/rights/export", "&as=json"),
        ("/rights/correct", "&up_bytes=1&down_bytes=2&reason=other"),
        ("/rights/erase", ""),
    ] {
        let answer = desk.post("anna", path, &format!("lang=en{more}&account=canary-one"));
        assert!(answer.status == 200 && answer.body.contains("canary-one"), "{path}: {}", answer.body);
        assert!(answer.headers.iter().all(|(_, value)| !value.contains("canary")), "{path}");
        for address in ["href=\"", "action=\"", "src=\""] {
            let named = answer.body.split(address).skip(1).filter_map(|rest| rest.split('"').next());
            assert!(named.into_iter().all(|link| !link.contains("canary")), "{path}: {}", answer.body);
        }
        // Who puts the name into the address is not answered by it.
        assert_ne!(desk.post("anna", &format!("{path}?account=canary-one"), "").status, 200, "{path}");
    }
    assert!(!daemon.said().contains("canary"), "{}", daemon.said());
}

#[test]
fn pages_are_made_for_keyboards_and_screen_readers() {
    let desk = Desk::with("", "[support.roles]\nsupport = [\"anna\"]\nprivacy = [\"anna\"]");
    let _daemon = desk.start();
    let pages = [
        desk.get("anna", "/", ""),
        desk.get("anna", "/flagged", ""),
        desk.get("anna", "/node", ""),
        desk.get("anna", "/rights", ""),
        desk.get("anna", "/rights/audit", ""),
        desk.get("anna", "/nowhere", ""),
        desk.post("anna", "/account", "account=canary-one"),
        desk.post("anna", "/rights/export", "as=page&account=canary-one"),
    ];
    for page in &pages {
        let html = &page.body;
        for part in [
            "<!DOCTYPE html>",
            "name=\"viewport\"",
            "class=\"skip\" href=\"#content\"",
            "<main id=\"content\"",
            "<title>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
        // Each field has its label, and each drawing its words.
        for input in html.split("<input id=\"").skip(1) {
            let name = input.split('"').next().expect("an id");
            assert!(html.contains(&format!("<label for=\"{name}\"")), "{name}: {html}");
        }
        for drawing in html.split("<svg ").skip(1) {
            assert!(drawing.contains("aria-label=\""), "{html}");
        }
        let mut ids: Vec<&str> =
            html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there once: {html}");
    }
}
