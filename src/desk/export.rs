//! What is held about an account, to hand over to its holder: a page that prints, or JSON.

use super::answer::Desk;
use super::dates;
use super::guard::{Form, Refusal};
use super::layout::Page;
use super::staff::Caller;
use super::words::{Words, fill};
use super::{account::kind_of_name, api};
use crate::control::advice;
use crate::control::reports::{AccountExport, ExportPlan, TotalsReport};
use crate::environment::Environment;
use crate::meter::calendar::Day;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

impl<E: Environment> Desk<E> {
    /// What the button that was pressed asks for.
    pub(super) async fn export_page(
        &self,
        page: &Page,
        caller: &Caller,
        form: &Form,
    ) -> Result<Response, Refusal> {
        Ok(match form.get("as") {
            Some("plan") => planned(page, &self.plan(caller, form).await?),
            Some("json") => api::download(&self.export(caller, form).await?),
            _ => printed(page, &self.export(caller, form).await?, self.handler.period_days()),
        })
    }

    pub(super) async fn export_api(&self, caller: &Caller, form: &Form) -> Result<Response, Refusal> {
        if form.has("dry_run") {
            return Ok(api::json(&self.plan(caller, form).await?));
        }
        Ok(api::json(&self.export(caller, form).await?))
    }
}

fn planned(page: &Page, plan: &ExportPlan) -> Response {
    let words = page.words();
    let rights = &words.rights;
    let truth = |is_so: bool| if is_so { words.yes } else { words.no };
    let content = html! {
        p { strong { (rights.nothing) } }
        dl.parts {
            div { dt { (words.look_up.label) } dd { (plan.account) } }
            div { dt { (rights.named) } dd { (truth(plan.named_by_roster)) } }
            div { dt { (rights.repeats) } dd { (truth(plan.repeats)) } }
            div { dt { (rights.uses_up) } dd { (plan.uses_up) } }
            @if let Some(left) = plan.left_today { div { dt { (rights.left) } dd { (left) } } }
            @if let Some(refusal) = &plan.refusal {
                div.raised { dt { (rights.refusal) } dd lang="en" { (refusal) } }
            }
        }
        p { a href=(page.link("/rights")) { (rights.back) } }
    };
    page.response(StatusCode::OK, rights.planned, &content)
}

/// The page for the account holder.
fn printed(page: &Page, export: &AccountExport, (first, last): (Day, Day)) -> Response {
    let words = page.words();
    let text = &words.export;
    let (first, last) = (dates::full_day(first, words), dates::full_day(last, words));
    let rest = serde_json::to_value(export).unwrap_or_default();
    let content = html! {
        div.printed {
            p { (words.look_up.label) (words.colon) strong { (export.account) } }
            p { (fill(text.period, &[("first", &first), ("last", &last)])) }
            table {
                thead {
                    tr { td {} th scope="col" { (text.bytes) } th scope="col" { (text.packets) } }
                }
                (totals(text.closed, &export.period, words))
                @if let Some(open) = &export.open_epoch { (totals(text.open, open, words)) }
            }
            (flags(page, &rest))
            h2 { (text.usual) }
            (usual(&rest, words))
            h2 { (text.words) }
            dl.meanings { @for (word, meaning) in text.meanings { dt { (word) } dd { (meaning) } } }
            h2 { (text.not_held) }
            p { (text.not_held_what) }
            h2 { (text.rights) }
            p { (text.rights_what) }
        }
    };
    page.response(StatusCode::OK, text.heading, &content)
}

fn totals(of: &str, totals: &TotalsReport, words: &Words) -> Markup {
    let ways = [
        (words.export.sent, totals.up_bytes, totals.up_packets),
        (words.export.received, totals.down_bytes, totals.down_packets),
    ];
    html! {
        tbody {
            tr { th colspan="3" scope="rowgroup" { (of) } }
            @for (name, bytes, packets) in ways {
                tr {
                    th.way scope="row" { (name) }
                    td { (dates::whole(bytes, words)) }
                    td { (dates::whole(packets, words)) }
                }
            }
        }
    }
}

fn flags(page: &Page, export: &Value) -> Markup {
    let words = page.words();
    let raised = export["flags"].as_array().into_iter().flatten();
    let kinds: Vec<_> = raised.filter_map(|flag| kind_of_name(flag["kind"].as_str()?)).collect();
    html! {
        h2 { (words.export.flags) }
        @if kinds.is_empty() { p { (words.export.no_flags) } }
        @else {
            ul {
                @for kind in kinds {
                    li { ((words.flags)(kind).question) ". " span.note { (advice::advice(kind, page.language)) } }
                }
            }
        }
    }
}

/// What is usual for the account, as the export has it.
fn usual(export: &Value, words: &Words) -> Markup {
    let (text, baseline) = (&words.export, &export["baseline"]);
    if baseline["levels"].is_null() {
        return html! { p { (text.usual_none) } };
    }
    let number = |value: &Value| {
        let shown = value.as_f64().map(|number| format!("{number:.3}")).unwrap_or_default();
        shown.replace('.', &words.decimal.to_string())
    };
    let single = |name: &'static str, value: &Value| html! { tr { th scope="row" { (name) } td colspan="2" { (number(value)) } } };
    html! {
        p.note { (text.usual_note) }
        table {
            thead { tr { td {} th scope="col" { (text.level) } th scope="col" { (text.scale) } } }
            tbody {
                @for (at, name) in text.levels.into_iter().enumerate() {
                    tr {
                        th scope="row" { (name) }
                        td { (number(&baseline["levels"][at])) }
                        td { (number(&baseline["scales"][at])) }
                    }
                }
                @for (at, name) in text.volume.into_iter().enumerate() { (single(name, &baseline["volume"][at])) }
                @for (at, name) in text.sums.into_iter().enumerate() { (single(name, &baseline["sums"][at])) }
                @for (at, name) in text.epochs.into_iter().enumerate() {
                    tr { th scope="row" { (name) } td colspan="2" { (baseline["epochs"][at]) } }
                }
            }
        }
    }
}
