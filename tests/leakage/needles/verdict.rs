//! What may be where, and the rows that say whether it is so.
//!
//! Nothing of a packet is anywhere; an address that was taken back is nowhere; a held address lies in
//! the memory and the kernel's map in binary alone; a name is nowhere once what said it was answered or
//! read. A user-space tap has packets in hand while they pass: under load its memory is told, and not
//! judged.

use crate::finder::Hit;
use crate::image::Place;
use crate::plan::{Kind, Plan};
use crate::report::{Figure, Row};
use crate::run::{Channel, Found, Moment, Outcome, Setting};
use crate::{forms::Form, path::Link};
use std::collections::BTreeSet;

/// Chance that a comparison with the never used addresses fails without a leak.
const CHANCE: f64 = 1e-4;

/// The rows of a run.
pub(crate) fn rows(setting: &Setting, plan: &Plan, outcome: &Outcome) -> Vec<Row> {
    let link = if setting.link == Link::Tun { "TUN" } else { "WireGuard" };
    let head = format!("{} over {link}{}", setting.tap, if setting.traced { ", traced" } else { "" });
    let channels: BTreeSet<_> = outcome.found.iter().map(|found| (found.channel, found.moment)).collect();
    let mut rows = vec![seen(&head, outcome)];
    for (channel, moment) in channels {
        let looks =
            || outcome.found.iter().filter(move |found| (found.channel, found.moment) == (channel, moment));
        let bytes: usize = looks().map(|found| found.bytes).sum();
        let is_told = told(setting, channel, moment);
        let worst = looks().map(|found| wrong(found, setting)).max_by_key(Vec::len).unwrap_or_default();
        let check = format!("needles, {head}: {} {}", channel.word(), moment.word());
        let goal = if is_told { "told" } else { "0" };
        let note = format!("{} looks, {bytes} bytes; {}", looks().count(), tally(&worst));
        let (count, passes) = (worst.len(), is_told || worst.is_empty());
        rows.push(row(check, count, goal.to_owned(), passes, note));
        if let (false, Some(short)) = (is_told, looks().map(|found| by_chance(found, plan)).min_by(sooner)) {
            let check = format!("four bytes, {head}: {} {}", channel.word(), moment.word());
            let goal = format!("as {} of {} never used, p >= {CHANCE}", short.never, plan.never());
            rows.push(row(
                check,
                short.used,
                goal,
                short.probability >= CHANCE,
                format!("p {:.4}", short.probability),
            ));
        }
    }
    rows
}

/// The tap saw the load: a search that finds nothing because nothing was sent says nothing.
fn seen(head: &str, outcome: &Outcome) -> Row {
    let note = format!("of {} sent", outcome.sent);
    let goal = "three quarters of what was sent".to_owned();
    row(
        format!("packets counted, {head}"),
        outcome.counted,
        goal,
        outcome.counted / 3 >= outcome.sent / 4,
        note,
    )
}

/// A user-space tap's memory while packets pass.
fn told(setting: &Setting, channel: Channel, moment: Moment) -> bool {
    let in_process = matches!(channel, Channel::Memory | Channel::Core);
    !setting.is_kernel() && in_process && moment == Moment::Load
}

/// What must not be there, by the forms that cannot occur by chance.
fn wrong(found: &Found, setting: &Setting) -> Vec<(Place, Hit)> {
    let is_wrong = |(place, hit): &&(Place, Hit)| {
        let in_process = matches!(found.channel, Channel::Memory | Channel::Core);
        let in_maps = found.channel == Channel::Maps || (in_process && *place == Place::KernelMap);
        let under_load = found.moment == Moment::Load;
        match hit.kind {
            _ if hit.short => false,
            Kind::Held | Kind::Former if hit.kind == Kind::Held || under_load => {
                // While requests are under way, and of the roster that a start read, the stack holds some
                // owners' addresses; the registers, one that is being looked up.
                let passing = under_load && matches!(place, Place::Stack | Place::Registers);
                let binary = in_process && (passing || matches!(place, Place::Heap | Place::Anonymous));
                let as_kept = binary && hit.form == Form::Reversed;
                !(as_kept || in_maps && setting.is_kernel() && hit.form == Form::Raw)
            }
            _ => true,
        }
    };
    found.hits.iter().filter(is_wrong).cloned().collect()
}

struct Short {
    used: usize,
    never: usize,
    probability: f64,
}

fn sooner(one: &Short, other: &Short) -> std::cmp::Ordering {
    one.probability.total_cmp(&other.probability)
}

/// Distinct four-byte addresses that are there in any short form, beside as many that were never used;
/// and how probable it is that so many or more are of the used ones, were all there by chance.
fn by_chance(found: &Found, plan: &Plan) -> Short {
    let gone = |kind| kind == Kind::RemoteV4 || kind == Kind::Former && found.moment != Moment::Load;
    let distinct = |of: &dyn Fn(Kind) -> bool| {
        let hits = found.hits.iter().filter(|(_, hit)| hit.short && of(hit.kind));
        hits.map(|(_, hit)| (hit.kind, hit.number)).collect::<BTreeSet<_>>().len()
    };
    let (used, never) = (distinct(&gone), distinct(&|kind| kind == Kind::NeverV4));
    // Former owners with an IPv4 address, which are compared after the load alone.
    let former = if found.moment == Moment::Load { 0 } else { plan.former_v4() };
    let (remote, control) = (plan.remote_v4() + former, plan.never());
    Short { used, never, probability: tail(used, used + never, share(remote, remote + control)) }
}

/// The chance of at least `least` heads in `tosses`.
fn tail(least: usize, tosses: usize, heads: f64) -> f64 {
    let term = |count: usize| {
        let ways: f64 = (0..count).map(|at| share(tosses - at, count - at)).product();
        ways * (0..count).map(|_| heads).product::<f64>()
            * (count..tosses).map(|_| 1.0 - heads).product::<f64>()
    };
    (least..=tosses).map(term).sum()
}

fn share(part: usize, whole: usize) -> f64 {
    number(part) / number(whole)
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Kinds, places and forms, each with the distinct needles.
fn tally(hits: &[(Place, Hit)]) -> String {
    let groups: BTreeSet<_> = hits.iter().map(|(place, hit)| (hit.kind, *place, hit.form)).collect();
    let text = |(kind, place, form): &(Kind, Place, Form)| {
        let of_group = hits.iter().filter(|(at, hit)| (hit.kind, *at, hit.form) == (*kind, *place, *form));
        let distinct = of_group.map(|(_, hit)| hit.number).collect::<BTreeSet<_>>().len();
        format!("{distinct} {} {form:?} in {place:?}", kind.word())
    };
    let texts: Vec<String> = groups.iter().map(text).collect();
    if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") }
}

fn row(check: String, value: usize, goal: String, passes: bool, note: String) -> Row {
    Row { check, control: None, figure: Figure::counted(number(value)), goal, passes, note }
}

#[test]
fn a_leak_of_many_short_forms_is_no_chance_and_a_few_are() {
    assert!((tail(1, 2, 0.5) - 0.75).abs() < 1e-9 && (tail(0, 0, 0.5) - 1.0).abs() < 1e-9);
    assert!(tail(20, 22, 0.5) < CHANCE && tail(14, 14, 0.5) < CHANCE && tail(12, 20, 0.5) > CHANCE);
}
