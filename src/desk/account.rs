//! The look-up form, and the one screen for an account.
//!
//! The lines are the same for every account, used or not: what differs is a range and yes or no.

use super::answer::{Account, Node};
use super::band::{bar, range, used};
use super::layout::{Page, language_field};
use super::state::{Senders, State, in_words};
use super::words::{FlagWords, Words};
use crate::control::advice;
use crate::control::reports::AccountView;
use crate::meter::flags::kind::{Kind, List};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// In the order of the page: first what support is asked most.
const CONTACT: [Kind; 4] = [Kind::Upload, Kind::Stall, Kind::PacketFlood, Kind::UploadDrift];
const INFORMATION: [Kind; 3] = [Kind::Surge, Kind::Heavy, Kind::Unusual];

/// The look-up form.
pub(super) fn look_up(page: &Page) -> Response {
    let words = &page.words().look_up;
    let content = html! {
        (form(page, true))
        p.note { (words.limits) }
        p.note { (words.unknown) }
        (refused(page.words()))
    };
    page.response(StatusCode::OK, words.heading, &content)
}

fn form(page: &Page, is_first: bool) -> Markup {
    let words = &page.words().look_up;
    html! {
        form.look-up method="post" action="/account" autocomplete="off" {
            (language_field(page))
            label for="account" { (words.label) }
            input #account name="account" type="text" required maxlength="384" spellcheck="false"
                autocapitalize="off" autocomplete="off" aria-describedby="hint" autofocus[is_first];
            p #hint.note { (words.hint) }
            button type="submit" { (words.button) }
        }
    }
}

/// One account.
pub(super) fn page(page: &Page, Account { view, node }: &Account) -> Response {
    let words = page.words();
    let content = html! {
        section aria-label=(words.look_up.label) {
            p.used { (used(&view.band, words)) " " strong.band { (range(&view.band, words)) } }
            (bar(&view.band, words))
            p.note { (words.account.both_ways) " " (words.account.bar_note) }
        }
        (flags(page, view, node))
        @if node.status.fleet.is_some() { (over_the_fleet(page, &view.account)) }
        p.node { strong { (words.account.this_node) } " " (in_words(node.state, words)) }
        p { strong { (words.account.nobody_sees) } " " (words.account.nobody_sees_what) }
        (refused(words))
        section.again { h2 { (words.account.another) } (form(page, false)) }
    };
    page.response(StatusCode::OK, &view.account, &content)
}

/// The way to the account over the whole fleet: a look-up of its own.
fn over_the_fleet(page: &Page, account: &str) -> Markup {
    let words = &page.words().fleet;
    html! {
        form method="post" action="/account/fleet" autocomplete="off" {
            (language_field(page))
            input type="hidden" name="account" value=(account);
            button type="submit" { (words.button) }
            p.note { (words.costs) }
        }
    }
}

fn flags(page: &Page, view: &AccountView, node: &Node) -> Markup {
    let words = page.words();
    let is_raised = |kind: Kind| view.flags.iter().any(|flag| flag.kind == kind.name());
    let lists = [(words.account.contact, &CONTACT[..]), (words.account.information, &INFORMATION[..])];
    html! {
        @if node.senders == Senders::Unasked { p.note { (words.account.flags_off) } }
        @for (heading, kinds) in lists {
            section.flags {
                h2 { (heading) }
                dl {
                    @for kind in kinds { (line(*kind, is_raised(*kind), page)) }
                }
            }
        }
        p.say { strong { (words.account.say) } " " q { (say(view, node, words)) } }
    }
}

fn line(kind: Kind, is_raised: bool, page: &Page) -> Markup {
    let words = page.words();
    let FlagWords { question, .. } = (words.flags)(kind);
    html! {
        div class=[is_raised.then_some("raised")] {
            dt { (question) }
            dd {
                @if is_raised {
                    strong { (words.yes) } " (" (words.account.shown_for) ")"
                    p { (words.account.to_do) (words.colon) (advice::advice(kind, page.language)) }
                } @else { (words.no) }
            }
        }
    }
}

/// The sentence for the user: of the node where it is the node's fault, else of the most urgent flag.
fn say(view: &AccountView, node: &Node, words: &'static Words) -> &'static str {
    if node.state == State::Interrupted {
        return words.account.say_interrupted;
    }
    let raised = |kind: &&Kind| view.flags.iter().any(|flag| flag.kind == kind.name());
    let most_urgent = Kind::BY_SEVERITY.iter().find(raised);
    most_urgent.map_or(words.account.say_nothing_found, |kind| (words.flags)(*kind).say)
}

/// Sentences for what nobody is ever told.
fn refused(words: &Words) -> Markup {
    html! {
        details.refused {
            summary { (words.account.refused) }
            dl {
                @for (question, sentence) in words.account.refused_for_ever {
                    dt { (question) }
                    dd { (words.account.say) " " q { (sentence) } }
                }
            }
        }
    }
}

/// The kind of this name.
pub(super) fn kind_of_name(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// Which list a kind is on, in the words of a page.
pub(super) fn heading_of(list: List, words: &Words) -> &'static str {
    match list {
        List::Contact => words.flagged.contact,
        List::Information => words.flagged.information,
    }
}
