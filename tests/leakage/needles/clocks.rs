//! Times as a process may keep them, and the search for those of a span.
//!
//! The daemon runs in a time namespace whose monotonic and boot clocks are about a century ahead: a
//! length, a counter or an address of memory is no time of theirs by chance, as it would be of a clock
//! that counts hours. So nothing need be compared with chance: eight random bytes are a time of some
//! seconds about once in 10^9, in four bytes of seconds and four of nanoseconds most often; and what
//! was in the same place before the load began is left out. Not looked for are seconds that stand alone
//! in four bytes, which chance does hold, clock ticks, and times since anything but the clocks' zero.
//!
//! # Source
//! time_namespaces(7); clock_gettime(2); the layout of `std::time::Instant`, `struct timespec` and
//! `struct tpacket_hdr_v1`.

use aho_corasick::AhoCorasick;
use nix::time::{ClockId, clock_gettime};
use std::ops::Range;

/// A clock whose times are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Clock {
    Real,
    /// As the daemon reads it.
    Monotonic,
    /// The same.
    Boot,
    /// As the kernel's programs read it, which no namespace moves.
    KernelMonotonic,
    /// The same.
    KernelBoot,
}

/// One way to write a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Form {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    /// Eight bytes of seconds, whatever follows them.
    Seconds,
    /// Eight bytes of seconds and four of nanoseconds.
    Pair,
    /// Four bytes of each.
    ShortPair,
    /// Seconds in decimal, which any finer time in decimal begins with.
    Decimal,
    /// The time of the day, in UTC.
    Text,
    /// When a file was changed.
    Changed,
}

/// A time of a span, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) clock: Clock,
    pub(crate) form: Form,
    pub(crate) at: u64,
    /// Its first eight bytes.
    word: u64,
}

/// How far the daemon's monotonic and boot clocks are ahead of the kernel's, in seconds.
pub(crate) const AHEAD: [u64; 2] = [3_092_741_863, 3_597_418_257];

const SECOND: u64 = 1_000_000_000;
const PAGE: [u8; 4096] = [0; 4096];

/// All clocks at one moment, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    real: u64,
    monotonic: u64,
    boot: u64,
}

impl Now {
    pub(crate) fn read() -> Self {
        let read = |clock| {
            let time = clock_gettime(clock).expect("Linux has these clocks");
            let number = |number| u64::try_from(number).expect("after 1970");
            number(time.tv_sec()) * SECOND + number(time.tv_nsec())
        };
        Self {
            real: read(ClockId::CLOCK_REALTIME),
            monotonic: read(ClockId::CLOCK_MONOTONIC),
            boot: read(ClockId::CLOCK_BOOTTIME),
        }
    }

    /// So many seconds later.
    pub(crate) fn plus(self, seconds: u64) -> Self {
        let later = |time| time + seconds * SECOND;
        Self { real: later(self.real), monotonic: later(self.monotonic), boot: later(self.boot) }
    }

    fn of(self, clock: Clock) -> u64 {
        match clock {
            Clock::Real => self.real,
            Clock::Monotonic => self.monotonic + AHEAD[0] * SECOND,
            Clock::Boot => self.boot + AHEAD[1] * SECOND,
            Clock::KernelMonotonic => self.monotonic,
            Clock::KernelBoot => self.boot,
        }
    }
}

/// The times from one moment to another, and the search for them.
pub(crate) struct Span {
    clocks: Vec<(Clock, Range<u64>)>,
    /// What some time of the span has as its bits 16 to 31, and 32 to 47: all else is passed over at once.
    middles: [Vec<bool>; 2],
    texts: AhoCorasick,
    spelt: Vec<(Clock, Form)>,
}

impl Span {
    /// Of the clocks that a process reads.
    pub(crate) fn of_process(from: Now, to: Now) -> Self {
        Self::new(&[Clock::Real, Clock::Monotonic, Clock::Boot], from, to)
    }

    /// Of the clocks that a program of the kernel reads: nanoseconds that stand alone. The kernel's own
    /// clocks are small numbers, which are looked for nowhere else.
    pub(crate) fn of_kernel(from: Now, to: Now) -> Self {
        let all = [Clock::Real, Clock::Monotonic, Clock::Boot, Clock::KernelMonotonic, Clock::KernelBoot];
        Self::new(&all, from, to)
    }

    fn new(clocks: &[Clock], from: Now, to: Now) -> Self {
        let clocks: Vec<_> = clocks.iter().map(|clock| (*clock, from.of(*clock)..to.of(*clock))).collect();
        let mut texts = Vec::new();
        for (clock, range) in clocks.iter().filter(|(clock, _)| clock.is_large()) {
            for second in range.start / SECOND..=range.end / SECOND {
                texts.push((second.to_string(), (*clock, Form::Decimal)));
                let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
                let of_day = format!("{hour:02}:{minute:02}:{:02}", second % 60);
                if *clock == Clock::Real {
                    texts
                        .extend(["T", " "].map(|before| (format!("{before}{of_day}"), (*clock, Form::Text))));
                }
            }
        }
        let (texts, spelt): (Vec<String>, Vec<_>) = texts.into_iter().unzip();
        let middles = [16, 32].map(|shift| {
            let mut is_there = vec![false; 1 << 16];
            for (_, range) in &clocks {
                for unit in [1, 1_000, 1_000_000, SECOND] {
                    for middle in (range.start / unit) >> shift..=(range.end / unit) >> shift {
                        is_there[middle_at(middle)] |= shift == 32 || unit == SECOND;
                    }
                }
            }
            // Seconds of eight bytes are seen by their lower half.
            is_there[0] &= shift == 16;
            is_there
        });
        Self { clocks, middles, texts: AhoCorasick::new(&texts).expect("a few texts"), spelt }
    }

    /// Every time of the span in these bytes, which begin at an address; binary ones where they are
    /// aligned to `step`.
    pub(crate) fn find(&self, bytes: &[u8], start: u64, step: usize) -> Vec<Hit> {
        let place = |at: usize| start + u64::try_from(at).expect("a length");
        let mut hits = Vec::new();
        let mut at = 0;
        while at + 8 <= bytes.len() {
            // Most pages of a process hold nothing.
            if at.is_multiple_of(PAGE.len()) && bytes[at..].starts_with(&PAGE) {
                at += PAGE.len() - 8;
            }
            let word = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
            if self.middles[0][middle_at(word >> 16)] || self.middles[1][middle_at(word >> 32)] {
                let next = bytes.get(at + 8..at + 12);
                let next = next.map(|next| u32::from_le_bytes(next.try_into().expect("four bytes")));
                for (clock, range) in &self.clocks {
                    let hit = |form| Hit { clock: *clock, form, at: place(at), word };
                    hits.extend(forms(*clock, range, word, next).map(hit));
                }
            }
            at += step;
        }
        hits.extend(self.texts.find_iter(bytes).map(|found| {
            let (clock, form) = self.spelt[found.pattern().as_usize()];
            Hit { clock, form, at: place(found.start()), word: 0 }
        }));
        hits
    }

    /// A file's time of change, in seconds and nanoseconds, when it is of the span.
    pub(crate) fn changed(&self, seconds: i64, nanoseconds: i64) -> Option<Hit> {
        let number = |number: i64| u64::try_from(number).expect("after 1970");
        let word = number(seconds) * SECOND + number(nanoseconds);
        let (clock, range) = self.clocks.first().expect("the real one");
        range.contains(&word).then_some(Hit { clock: *clock, form: Form::Changed, at: 0, word })
    }
}

impl Clock {
    /// Its seconds are no number of common use.
    const fn is_large(self) -> bool {
        matches!(self, Self::Real | Self::Monotonic | Self::Boot)
    }
}

fn middle_at(word: u64) -> usize {
    usize::try_from(word & 0xffff).expect("16 bits")
}

/// The forms in which eight bytes, or twelve, are a time of a range of nanoseconds.
fn forms(clock: Clock, range: &Range<u64>, word: u64, next: Option<u32>) -> impl Iterator<Item = Form> {
    let within = |unit: u64| (range.start / unit..=range.end / unit).contains(&word);
    let pair = |seconds: u64, nanoseconds: u64| {
        nanoseconds < SECOND
            && (range.start / SECOND..=range.end / SECOND).contains(&seconds)
            && range.contains(&(seconds * SECOND + nanoseconds))
    };
    let is_pair = next.is_some_and(|next| pair(word, u64::from(next)));
    let is = [
        (Form::Nanoseconds, range.contains(&word)),
        (Form::Microseconds, clock.is_large() && within(1_000)),
        (Form::Milliseconds, clock.is_large() && within(1_000_000)),
        (Form::Pair, clock.is_large() && is_pair),
        (Form::Seconds, clock.is_large() && !is_pair && within(SECOND)),
        (Form::ShortPair, clock.is_large() && pair(word & 0xffff_ffff, word >> 32)),
    ];
    is.into_iter().filter(|(_, is)| *is).map(|(form, _)| form)
}

#[test]
fn every_form_of_a_time_of_the_span_is_found_and_none_of_another() {
    let from = Now::read();
    let (inside, to) = (from.plus(3), from.plus(6));
    let (span, other) = (Span::of_process(from, to), Span::of_process(from.plus(60), from.plus(66)));
    for clock in [Clock::Real, Clock::Monotonic, Clock::Boot] {
        let time = inside.of(clock);
        let (seconds, rest) = (time / SECOND, time % SECOND);
        let short = |number: u64| u32::try_from(number).expect("32 bits").to_le_bytes();
        let pair = [seconds.to_le_bytes(), rest.to_le_bytes()].concat();
        for (form, bytes) in [
            (Form::Nanoseconds, time.to_le_bytes().to_vec()),
            (Form::Microseconds, (time / 1_000).to_le_bytes().to_vec()),
            (Form::Milliseconds, (time / 1_000_000).to_le_bytes().to_vec()),
            (Form::Pair, pair[..12].to_vec()),
            (Form::Seconds, [seconds.to_le_bytes(), [0xff; 8]].concat()),
            (Form::ShortPair, [short(seconds), short(rest)].concat()),
            (Form::Decimal, format!("{seconds}.25").into_bytes()),
        ] {
            for before in [0, 4, 8] {
                let bytes = [&vec![0xee; before], bytes.as_slice(), &[0xee; 16]].concat();
                let found = span.find(&bytes, 0, 4);
                assert!(found.iter().any(|hit| (hit.clock, hit.form) == (clock, form)), "{clock:?} {form:?}");
                assert!(other.find(&bytes, 0, 4).is_empty(), "{clock:?} {form:?}");
            }
        }
    }
    let nanoseconds = inside.of(Clock::KernelBoot).to_le_bytes();
    assert!(span.find(&nanoseconds, 0, 1).is_empty());
    assert!(!Span::of_kernel(from, to).find(&nanoseconds, 0, 1).is_empty());
}
