//! The state of the node, in words: nothing here depends on what any account does now.

use super::answer::Node;
use super::dates;
use super::layout::Page;
use super::state::{Senders, in_words};
use super::words::Words;
use crate::meter::calendar::Day;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// The node's page.
pub(super) fn page(page: &Page, Node { status, senders, state }: &Node) -> Response {
    let words = page.words();
    let content = html! {
        p.node.state { strong { (page.node_name) } (words.colon) strong { (in_words(*state, words)) } }
        @if *senders == Senders::TooFew { p { (words.node.too_few) } }
        h2 { (words.node.parts) }
        dl.parts {
            @for interface in &status.interfaces {
                (part(&format!("{} {}", words.node.interface, interface.interface), Some(interface.attached), words))
            }
            @for source in &status.sources {
                (part(&format!("{} {}", words.node.source, source.source), Some(source.up), words))
            }
            (part(words.node.close, status.last_close_ok, words))
            (part(words.node.save, Some(status.last_save_ok), words))
            (part(words.node.reload, Some(status.reload_ok), words))
            div { dt { (words.node.accounts) } dd { (dates::whole(status.accounts, words)) } }
            div { dt { (words.node.next_release) } dd { (next(status.next_release_seconds, words)) } }
            div { dt { (words.node.version) } dd { (status.version) } }
        }
        @if !status.remarks.is_empty() {
            h2 { (words.node.remarks) }
            ul { @for remark in &status.remarks { li lang="en" { (remark) } } }
        }
        p.note { (words.node.note) }
    };
    page.response(StatusCode::OK, words.node.heading, &content)
}

fn part(name: &str, is_well: Option<bool>, words: &Words) -> Markup {
    let (class, word) = match is_well {
        Some(true) => (None, words.yes),
        Some(false) => (Some("raised"), words.no),
        None => (None, words.node.not_yet),
    };
    html! { div class=[class] { dt { (name) } dd { (word) } } }
}

/// "Monday 30 November, 00:10 UTC".
fn next(seconds: u64, words: &Words) -> String {
    let minutes = seconds % 86_400 / 60;
    let day = dates::weekday(Day::of_second(seconds), words);
    format!("{day}, {:02}:{:02} UTC", minutes / 60, minutes % 60)
}
