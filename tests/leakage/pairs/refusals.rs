//! Requests that the control socket refuses: an error may tell no more than an answer.
//!
//! None of them changes anything or counts towards a limit. What a limit refuses is in `surfaces.rs`,
//! behind the answers that use it up.

use crate::sim::setup::STRANGER;
use crate::surfaces::{Asked, OFFICER};
use blindmeter::control::protocol::Request;
use std::fmt::Write;

/// Somebody's user id.
type Who = u32;

/// A member of staff, who has every role.
const STAFF: Who = OFFICER;
/// Root, who alone is told whether an address was assigned.
const ROOT: Who = 0;
/// Who has none.
const NOBODY: Who = STRANGER;

/// A request, and the text that follows it.
type Form = fn(&Asked<'_>) -> (Request, String);

/// What each misspelt word has in it, and no answer.
pub(crate) const MISSPELT: &str = "999";

/// In the pools, and assigned by nobody; packets come to it.
const NOBODYS: &str = "10.77.0.240";

/// More accounts than there are slots.
const TOO_MANY: usize = 64;

/// Every kind of request, in each way in which it is refused.
pub(crate) const FORMS: [(Who, Form); 40] = [
    (STAFF, |_| assign("10.77.0.999", "hook-00")),
    (STAFF, |asked| assign(asked.prefix, "999 hook")),
    (ROOT, |asked| release(asked.prefix)),
    (ROOT, |_| release(NOBODYS)),
    (ROOT, |_| release("198.51.100.7")),
    (STAFF, |_| release("10.77.0.999")),
    (STAFF, |_| sync(String::new())),
    (STAFF, |asked| sync(format!("prefix,account\n{},{}\n10.77.0.999,hook-00\n", asked.prefix, asked.hook))),
    (STAFF, |asked| {
        sync(format!("prefix,account\n{0},{1}\n{0},{2}\n", asked.prefix, asked.file, asked.hook))
    }),
    (STAFF, |_| sync(roster_of_too_many())),
    (STAFF, |_| show("999 file")),
    (STAFF, |_| export("999 file")),
    (STAFF, |_| plan("999 file")),
    (NOBODY, |asked| assign(asked.prefix, asked.hook)),
    (NOBODY, |asked| release(asked.prefix)),
    (NOBODY, |_| sync("prefix,account\n".to_owned())),
    (NOBODY, |_| bare(Request::Counts {})),
    (NOBODY, |_| bare(Request::Status {})),
    (NOBODY, |_| bare(Request::FailedLogIn {})),
    (NOBODY, |_| bare(Request::Reload {})),
    (NOBODY, |asked| show(asked.file)),
    (NOBODY, |asked| {
        let names = format!("{}\n", asked.file);
        (Request::Flagged { contact: true, information: true, bytes: names.len() }, names)
    }),
    (NOBODY, |asked| export(asked.file)),
    (NOBODY, |asked| plan(asked.file)),
    (NOBODY, |_| bare(Request::ExportNode {})),
    (NOBODY, |_| bare(Request::Asked {})),
    (STAFF, |_| erase("999 file")),
    (STAFF, |_| correct("999 file")),
    (STAFF, |_| bare(Request::Approve { id: 999 })),
    (NOBODY, |asked| erase(asked.file)),
    (NOBODY, |asked| correct(asked.file)),
    (NOBODY, |_| bare(Request::Pending {})),
    (NOBODY, |_| bare(Request::Approve { id: 1 })),
    (NOBODY, |_| bare(Request::Audit {})),
    (STAFF, |_| fleet_show("999 file")),
    (STAFF, |_| bare(Request::FleetConfirmed { account: "999 file".to_owned() })),
    // This node is in no fleet.
    (STAFF, |asked| fleet_show(asked.file)),
    (NOBODY, |asked| fleet_show(asked.file)),
    (NOBODY, |asked| bare(Request::FleetConfirmed { account: asked.file.to_owned() })),
    (NOBODY, |_| bare(Request::FleetResend {})),
];

/// The name of the part that shows a refusal. A new kind of request has its name here and its forms above.
pub(crate) fn name(request: &Request) -> &'static str {
    match request {
        Request::Assign { .. } => "refused assign",
        Request::Unassign { .. } => "refused release",
        Request::FailedLogIn {} => "refused failed log-in",
        Request::Sync { .. } => "refused sync",
        Request::Counts {} => "refused counts",
        Request::Status {} => "refused status",
        Request::Reload {} => "refused reload",
        Request::Show { .. } => "refused show",
        Request::Flagged { .. } => "refused list of flags",
        Request::Export { .. } => "refused export",
        Request::PlanExport { .. } => "refused plan of an export",
        Request::ExportNode {} => "refused export of the node",
        Request::Asked {} => "refused count of what was asked",
        Request::Correct { .. } => "refused correction",
        Request::Erase { .. } => "refused erasure",
        Request::Pending {} => "refused list of what waits",
        Request::Approve { .. } => "refused word of a second officer",
        Request::Audit {} => "refused audit",
        Request::FleetShow { .. } => "refused look at the fleet",
        Request::FleetConfirmed { .. } => "refused count of who has followed",
        Request::FleetResend {} => "refused second sending",
    }
}

/// True of a part that shows a refusal.
pub(crate) fn is_refusal(part: &str) -> bool {
    part.starts_with("refused ")
}

fn bare(request: Request) -> (Request, String) {
    (request, String::new())
}

fn fleet_show(account: &str) -> (Request, String) {
    bare(Request::FleetShow { account: account.to_owned() })
}

fn erase(account: &str) -> (Request, String) {
    bare(Request::Erase { account: account.to_owned() })
}

fn correct(account: &str) -> (Request, String) {
    let (account, reason) = (account.to_owned(), "other".to_owned());
    bare(Request::Correct { account, up: 0, down: 0, reason, fleet: false })
}

fn assign(prefix: &str, account: &str) -> (Request, String) {
    bare(Request::Assign {
        prefix: prefix.to_owned(),
        account: account.to_owned(),
        interface: None,
        session: None,
    })
}

fn release(prefix: &str) -> (Request, String) {
    bare(Request::Unassign { prefix: prefix.to_owned(), interface: None, session: None })
}

fn sync(text: String) -> (Request, String) {
    (Request::Sync { bytes: text.len() }, text)
}

fn show(account: &str) -> (Request, String) {
    bare(Request::Show { account: account.to_owned() })
}

fn export(account: &str) -> (Request, String) {
    bare(Request::Export { account: account.to_owned(), open_epoch: true })
}

fn plan(account: &str) -> (Request, String) {
    bare(Request::PlanExport { account: account.to_owned(), open_epoch: true })
}

fn roster_of_too_many() -> String {
    let mut text = "prefix,account\n".to_owned();
    for number in 0..TOO_MANY {
        writeln!(text, "10.78.0.{number},more-{number:02}").expect("a text takes a line");
    }
    text
}

/// Who has no role is refused every kind, and staff each that has something to misspell; of a list of flags a name
/// that is none is nobody's.
#[test]
fn every_kind_of_request_is_refused_in_some_form() {
    let protocol = syn::parse_file(include_str!("../../../src/control/protocol.rs")).expect("it compiles");
    let request = protocol.items.iter().find_map(|item| match item {
        syn::Item::Enum(request) if request.ident == "Request" => Some(request),
        _ => None,
    });
    let kinds = &request.expect("the protocol has requests").variants;
    let asked = Asked { look: 0, long: false, look_ups: 1, file: "file", prefix: "10.77.0.1", hook: "hook" };
    let refused_to = |who: Who| {
        let forms = FORMS.iter().filter(|(asks, _)| *asks == who);
        let of_kinds = forms.map(|(_, form)| std::mem::discriminant(&form(&asked).0));
        of_kinds.collect::<std::collections::HashSet<_>>().len()
    };
    assert_eq!(refused_to(NOBODY), kinds.len());
    let can_be_misspelt = kinds.iter().filter(|kind| !kind.fields.is_empty() && kind.ident != "Flagged");
    assert_eq!(refused_to(STAFF), can_be_misspelt.count());
}
