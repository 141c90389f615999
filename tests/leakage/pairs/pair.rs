//! One pair: two worlds of one plan live side by side, and everything they show is compared at every
//! look, byte by byte.

use crate::plan::{LOOK_SECONDS, Plan};
use crate::refusals::{MISSPELT, is_refusal};
use crate::shape::shape;
use crate::sim::log::Log;
use crate::support::rng::Rng;
use crate::surfaces::{Part, Tells, WRITES, is_export};
use crate::traffic::{Shape, Traffic};
use crate::world::{World, tells_who_exists};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Which question a pair asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// Equal totals at other times: nothing may differ, ever.
    Times,
    /// Other totals in one cell: nothing may differ before its close, and the page not before its
    /// release.
    Totals,
}

/// What pairs came to.
#[derive(Clone, Default, Debug)]
pub(crate) struct Figures {
    pub(crate) pairs: u64,
    pub(crate) looks: u64,
    pub(crate) surfaces: u64,
    pub(crate) bytes: u64,
    /// Of every eighth look, those at which the counters of the two worlds differed: the traffic had
    /// indeed moved.
    pub(crate) moved: u64,
    pub(crate) closes: u64,
    /// Pages that came after another one, of them held back.
    pub(crate) releases: u64,
    pub(crate) suppressed: u64,
    /// Pages that told of a gap.
    pub(crate) gaps: u64,
    /// Looks at which worlds of other totals differed where they may.
    pub(crate) told: u64,
    pub(crate) starts: u64,
    pub(crate) log_lines: u64,
    pub(crate) bands: u64,
    pub(crate) refusals: u64,
    pub(crate) errors: u64,
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        for ((_, own), (_, more)) in self.each().into_iter().zip(other.all()) {
            *own += more;
        }
    }
}

impl Figures {
    /// Every figure with its name.
    pub(crate) fn all(&self) -> [(&'static str, u64); 15] {
        self.clone().each().map(|(name, value)| (name, *value))
    }

    fn each(&mut self) -> [(&'static str, &mut u64); 15] {
        [
            ("pairs", &mut self.pairs),
            ("looks", &mut self.looks),
            ("surfaces", &mut self.surfaces),
            ("bytes", &mut self.bytes),
            ("looks with other counters", &mut self.moved),
            ("closes", &mut self.closes),
            ("releases", &mut self.releases),
            ("suppressed", &mut self.suppressed),
            ("gaps", &mut self.gaps),
            ("looks that told totals", &mut self.told),
            ("starts", &mut self.starts),
            ("log lines", &mut self.log_lines),
            ("answers with a band", &mut self.bands),
            ("refusals", &mut self.refusals),
            ("errors", &mut self.errors),
        ]
    }
}

/// From when on two worlds may differ.
#[derive(Clone, Copy)]
struct Differs {
    /// At the end of this look the epoch is closed.
    close: usize,
    /// Its ordinal.
    ordinal: u64,
}

/// Runs the pairs of a seed, one of each family: three worlds, the first of which is in both.
///
/// # Errors
/// What was seen and must not be: the surface, the second, both texts.
pub(crate) async fn run(seed: u64, long: bool, log: &mut Log) -> Result<Figures, String> {
    let plan = Plan::draw(seed, long);
    let mut rng = Rng::seeded(seed ^ 0x7a_ff1c);
    let shape = shape(&plan).await?;
    log.take(&mut Vec::new());
    let traffic = Traffic::draw(&plan, &shape, &mut rng);
    let cell = rng.below(shape.cells.len());
    let other = traffic.with_other_totals(&plan, cell, &mut rng);
    let placed = [&traffic, &traffic, &other].map(|traffic| traffic.place(&plan, &shape, &mut rng));
    let mut worlds = placed.map(|placed| World::new(&plan, placed));
    let figures = Figures { pairs: 2, closes: shape.closes.len() as u64, ..Figures::default() };
    let mut course = Course { figures, struck: false, pages: BTreeMap::new(), page: Vec::new() };
    let differs = differs_from(&shape, cell);
    for look in 0..plan.looks {
        for world in &mut worlds {
            world.look(look, log).await;
        }
        let [one, moved, other] = &worlds;
        let compared = course
            .watch(look, one)
            .and_then(|()| course.compare(look, (one, moved), Family::Times, differs))
            .and_then(|()| course.compare(look, (one, other), Family::Totals, differs));
        compared.map_err(|what| {
            let second = (look as u64 + 1) * LOOK_SECONDS;
            format!("second {second} of the run (look {look}): {what}")
        })?;
    }
    Ok(course.figures)
}

/// The close that ends the epoch which a cell is part of; none where the run ends before.
fn differs_from(shape: &Shape, cell: usize) -> Option<Differs> {
    let end = shape.cells[cell].until;
    let (close, ordinal) = shape.closes.iter().find(|(look, _)| look + 1 >= end)?;
    Some(Differs { close: *close, ordinal: *ordinal })
}

/// What was seen of a pair so far.
struct Course {
    figures: Figures,
    /// A write failed at a look with exports.
    struck: bool,
    /// The released part of the page, by ordinal.
    pages: BTreeMap<u64, Vec<u8>>,
    /// The page at the last look.
    page: Vec<u8>,
}

impl Course {
    fn compare(
        &mut self,
        look: usize,
        (one, other): (&World<'_>, &World<'_>),
        family: Family,
        differs: Option<Differs>,
    ) -> Result<(), String> {
        self.figures.looks += 1;
        self.figures.surfaces += one.shown.parts() as u64;
        self.figures.bytes += one.shown.bytes() as u64;
        if look.is_multiple_of(8) {
            self.figures.moved += u64::from(one.counted() != other.counted());
        }
        if one.refused + other.refused > 0 {
            return Err("a request of a hook was refused".to_owned());
        }
        if one.shown.same(&other.shown) {
            return Ok(());
        }
        let mut told = false;
        for ((part, text), (_, others)) in one.shown.all().zip(other.shown.all()) {
            if text != others {
                if !(family == Family::Totals && may_tell(part, (text, others), look, differs)) {
                    return Err(difference(part, text, others));
                }
                told = true;
            }
        }
        if one.shown.parts() != other.shown.parts() {
            return Err("one of the worlds shows more surfaces".to_owned());
        }
        self.figures.told += u64::from(told);
        Ok(())
    }

    /// What must hold of one world by itself, and the figures.
    fn watch(&mut self, look: usize, world: &World<'_>) -> Result<(), String> {
        let (shown, figures) = (&world.shown, &mut self.figures);
        figures.starts += u64::from(world.began.started);
        figures.log_lines += shown.part("log").iter().filter(|byte| **byte == b'\n').count() as u64;
        self.struck |= is_export(look) && contains(shown.part(WRITES), " fails");
        if let Some(what) = tells_who_exists(shown, self.struck) {
            return Err(what);
        }
        let shows_band =
            |name| !shown.part(name).is_empty() && !contains(shown.part(name), "\"at_least_bytes\":0,");
        figures.bands += u64::from(shows_band("show file") && contains(shown.part("show file"), "\"band\""));
        figures.refusals += u64::from(contains(shown.part("show to who asks too often"), "\"error\""));
        for (part, text) in shown.all().filter(|(part, _)| is_refusal(part.name)) {
            if contains(text, MISSPELT) {
                return Err(format!("{} repeats an address or a name", part.name));
            }
            if !contains(text, "\"error\"") {
                return Err(format!("{} was not refused", part.name));
            }
            figures.errors += 1;
        }
        if world.began.forgot {
            // Nobody can know any more what was released.
            self.pages.clear();
            self.page.clear();
        }
        let page = shown.part("/metrics");
        if page == self.page {
            return Ok(());
        }
        self.page = page.to_vec();
        let Some(ordinal) = ordinal(page) else { return Ok(()) };
        let released = released(page);
        if let Some(before) = self.pages.get(&ordinal) {
            return if *before == released { Ok(()) } else { Err(format!("two pages of epoch {ordinal}")) };
        }
        if let Some((_, before)) = self.pages.iter().next()
            && series(before) != series(&released)
        {
            return Err(format!("epoch {ordinal} has other series, at look {look}"));
        }
        figures.releases += u64::from(ordinal > 0);
        figures.suppressed += u64::from(contains(&released, "\nblindmeter_epoch_suppressed 1\n"));
        figures.gaps += u64::from(contains(&released, "\nblindmeter_epoch_tap_gap 1\n"));
        self.pages.insert(ordinal, released);
        Ok(())
    }
}

/// Whether a part that differs at this look may differ, the worlds having moved other totals.
fn may_tell(part: Part, (one, other): (&[u8], &[u8]), look: usize, differs: Option<Differs>) -> bool {
    let Some(Differs { close, ordinal: of_epoch }) = differs else { return false };
    match part.tells {
        Tells::Never => false,
        Tells::FromClose => look >= close,
        // Of HEAD there is only the length.
        Tells::FromRelease if part.name != "/metrics" => look > close,
        Tells::FromRelease => {
            let [one_shows, other_shows] = [one, other].map(ordinal);
            one_shows == other_shows
                && one_shows.is_some_and(|ordinal| ordinal >= of_epoch)
                && series(&released(one)) == series(&released(other))
                && status(one) == status(other)
        }
    }
}

/// The first difference, in words.
fn difference(part: Part, one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let from = at.saturating_sub(60);
    let text = |text: &[u8]| String::from_utf8_lossy(&text[from..text.len().min(at + 200)]).into_owned();
    format!(
        "{} differs, first at byte {at} of {} and {}\n--- one world\n{}\n--- the other\n{}",
        part.name,
        one.len(),
        other.len(),
        text(one),
        text(other)
    )
}

fn contains(text: &[u8], wanted: &str) -> bool {
    String::from_utf8_lossy(text).contains(wanted)
}

/// The ordinal that a page shows.
fn ordinal(page: &[u8]) -> Option<u64> {
    let line = page.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"blindmeter_epoch "))?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// The lines of a page that a release changes.
fn released(page: &[u8]) -> Vec<u8> {
    lines(page, |line| line.starts_with(b"blindmeter_epoch"))
}

/// All its other lines, the headers among them; the length of a page follows its figures.
fn status(page: &[u8]) -> Vec<u8> {
    lines(page, |line| !line.starts_with(b"blindmeter_epoch") && !line.starts_with(b"content-length"))
}

/// The names of series, without their values.
fn series(page: &[u8]) -> Vec<u8> {
    page.split(|byte| *byte == b'\n')
        .flat_map(|line| line.split(|byte| *byte == b' ').next().unwrap_or_default().iter().chain(b"\n"))
        .copied()
        .collect()
}

fn lines(page: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut kept = vec![b'\n'];
    for line in page.split_inclusive(|byte| *byte == b'\n').filter(|line| wanted(line)) {
        kept.extend_from_slice(line);
    }
    kept
}
