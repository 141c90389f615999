//! What a privacy officer may do for an account holder: export, correct, erase; and what waits for another officer.

use super::dates;
use super::layout::{Page, language_field};
use super::words::fill;
use crate::control::rights::{PendingReport, PendingRequest};
use crate::node::audit::Reason;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// The forms.
pub(super) fn page(page: &Page, pending: &PendingReport) -> Response {
    let words = page.words();
    let rights = &words.rights;
    let content = html! {
        p { (rights.intro) }
        @if pending.two_person { p { (rights.two_person) } }
        h2 { (rights.export) }
        form.look-up method="post" action="/rights/export" autocomplete="off" {
            (account_field(page, "export"))
            label.box {
                input type="checkbox" name="open_epoch" value="true";
                " " (rights.open_epoch)
            }
            div.buttons {
                button.quiet type="submit" name="as" value="plan" { (rights.plan) }
                button type="submit" name="as" value="page" { (rights.page) }
                button type="submit" name="as" value="json" { (rights.json) }
            }
        }
        p.note { (rights.limits) }
        (correct(page))
        h2 { (rights.erase) }
        form.look-up method="post" action="/rights/erase" autocomplete="off" {
            (account_field(page, "erase"))
            button type="submit" { (rights.erase_button) }
        }
        p.note { (rights.erase_note) }
        @if pending.two_person || !pending.requests.is_empty() { (waiting(page, pending)) }
        h2 { (rights.audit) }
        p { a href=(page.link("/rights/audit")) { (rights.audit_link) } }
    };
    page.response(StatusCode::OK, rights.heading, &content)
}

fn account_field(page: &Page, form: &str) -> Markup {
    let words = &page.words().look_up;
    html! {
        (language_field(page))
        label for={ (form) "-account" } { (words.label) }
        input id={ (form) "-account" } name="account" type="text" required maxlength="384" spellcheck="false"
            autocapitalize="off" autocomplete="off" aria-describedby={ (form) "-hint" };
        p.note id={ (form) "-hint" } { (words.hint) }
    }
}

fn correct(page: &Page) -> Markup {
    let (words, rights) = (page.words(), &page.words().rights);
    let amounts = [("up_bytes", words.export.sent), ("down_bytes", words.export.received)];
    html! {
        h2 { (rights.correct) }
        form.look-up method="post" action="/rights/correct" autocomplete="off" {
            (account_field(page, "correct"))
            @for (name, label) in amounts {
                label for=(name) { (label) " (" (rights.in_bytes) ")" }
                input id=(name) name=(name) type="text" inputmode="numeric" pattern="[0-9]{1,20}" required;
            }
            label for="reason" { (rights.reason) }
            select #reason name="reason" required {
                @for (reason, word) in Reason::ALL.into_iter().zip(rights.reasons) {
                    option value=(reason.word()) { (word) }
                }
            }
            button type="submit" { (rights.correct_button) }
        }
        p.note { (rights.correct_note) }
    }
}

fn waiting(page: &Page, pending: &PendingReport) -> Markup {
    let rights = &page.words().rights;
    html! {
        h2 { (rights.pending) }
        @if pending.requests.is_empty() { p { (page.words().flagged.nobody_waits) } }
        @else { ul.accounts { @for request in &pending.requests { (entry(page, request)) } } }
    }
}

fn entry(page: &Page, request: &PendingRequest) -> Markup {
    let (words, rights) = (page.words(), &page.words().rights);
    let number = request.id.to_string();
    let ends = dates::reported(&request.ends, words);
    html! {
        li {
            form method="post" action="/rights/approve" {
                (language_field(page))
                input type="hidden" name="id" value=(number);
                strong.name { (number) ". " (what(&request.what, page)) }
                @if request.approved { span { (rights.approved) } }
                @else if request.is_own { span { (rights.own) } }
                @else {
                    button.small type="submit" aria-label={ (rights.approve) " " (number) } { (rights.approve) }
                }
            }
            p.note {
                (fill(rights.asked_by, &[("who", &request.who), ("ends", &ends)]))
                @if let Some(reason) = &request.reason { " " (reason_in_words(reason, page)) "." }
            }
        }
    }
}

/// What was asked for, in the words of a page.
pub(super) fn what<'a>(what: &'a str, page: &Page) -> &'a str {
    let known = page.words().rights.whats;
    known.iter().find(|(word, _)| *word == what).map_or(what, |(_, words)| words)
}

/// The reason of a correction, in the words of a page.
pub(super) fn reason_in_words<'a>(reason: &'a str, page: &Page) -> &'a str {
    let at = Reason::ALL.iter().position(|known| known.word() == reason);
    at.map_or(reason, |at| page.words().rights.reasons[at])
}
