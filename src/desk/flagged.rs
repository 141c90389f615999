//! The accounts that carry a flag, the most urgent first, each with a button that looks it up.

use super::account::{heading_of, kind_of_name};
use super::layout::{Page, language_field};
use super::words::{Words, fill};
use crate::control::advice;
use crate::control::reports::{FlagReport, FlaggedAccount, FlaggedReport};
use crate::meter::flags::kind::{Kind, List};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// The list.
pub(super) fn page(page: &Page, report: &FlaggedReport) -> Response {
    let words = page.words();
    let content = html! {
        @if !report.enabled { p { (words.flagged.off) } }
        @else if report.mass_event { p.warning { (words.flagged.mass_event) } }
        @else {
            p.note { (words.flagged.intro) }
            @for list in [List::Contact, List::Information] {
                (section(page, list, &report.accounts))
            }
            @if report.unnamed > 0 {
                p { (fill(words.flagged.unnamed, &[("count", &report.unnamed.to_string())])) }
            }
        }
    };
    page.response(StatusCode::OK, words.flagged.heading, &content)
}

/// Each account is on the list of its most urgent flag.
fn section(page: &Page, list: List, accounts: &[FlaggedAccount]) -> Markup {
    let words = page.words();
    let is_listed = |account: &&FlaggedAccount| {
        account.flags.first().and_then(kind_of).is_some_and(|kind| kind.list() == list)
    };
    let listed: Vec<&FlaggedAccount> = accounts.iter().filter(is_listed).collect();
    html! {
        section {
            h2 { (heading_of(list, words)) }
            @if listed.is_empty() { p { (words.flagged.nobody) } }
            @else {
                ul.accounts {
                    @for account in listed { (entry(page, account)) }
                }
            }
        }
    }
}

fn entry(page: &Page, FlaggedAccount { account, flags }: &FlaggedAccount) -> Markup {
    let words = page.words();
    html! {
        li {
            form method="post" action="/account" {
                (language_field(page))
                input type="hidden" name="account" value=(account);
                strong.name { (account) }
                button.small type="submit" aria-label={ (words.flagged.look_up) " " (account) } {
                    (words.flagged.look_up)
                }
            }
            @for flag in flags { (flag_line(page, flag)) }
        }
    }
}

fn flag_line(page: &Page, flag: &FlagReport) -> Markup {
    let words = page.words();
    html! {
        @if let Some(kind) = kind_of(flag) {
            p.flag {
                span class={ "severity " (flag.severity) } { (severity(&flag.severity, words)) }
                " " ((words.flags)(kind).question) "."
                br;
                span.note { (words.account.to_do) (words.colon) (advice::advice(kind, page.language)) }
            }
        }
    }
}

fn kind_of(flag: &FlagReport) -> Option<Kind> {
    kind_of_name(&flag.kind)
}

fn severity<'a>(severity: &'a str, words: &Words) -> &'a str {
    words.flagged.severities.iter().find(|(known, _)| *known == severity).map_or(severity, |(_, word)| word)
}
