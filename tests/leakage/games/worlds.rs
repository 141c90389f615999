//! The people of a simulated node: five strata of users, their sessions and what they move, drawn from
//! a seed. Holds what is true; what anybody sees of it is in `views`.
//!
//! Figures are chosen to be like those of a consumer VPN, not fitted to one: volumes are heavy-tailed,
//! sessions follow the hour of the day, and strata differ in all of it.

use super::distributions::whole;
use crate::support::rng::Rng;

/// Seconds between two scrapes, and the grain of traffic.
pub(crate) const STEP_SECONDS: u32 = 15;

pub(crate) const DAY_SECONDS: u32 = 86_400;

/// Steps of a day.
pub(crate) const STEPS: usize = (DAY_SECONDS / STEP_SECONDS) as usize;

/// No session begins before or ends after this distance from midnight, so that a moved one stays in
/// its day whatever its length.
const MARGIN_SECONDS: u32 = 120;

/// Sessions of an account are at least this far apart.
const APART_SECONDS: u32 = 300;

const MIB: f64 = (1_u64 << 20) as f64;
const GIB: f64 = (1_u64 << 30) as f64;

/// A kind of user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stratum {
    /// Films in the evening.
    Streamer,
    /// Working hours, both directions.
    Office,
    /// A telephone: many short sessions, little in each.
    Mobile,
    /// Uploads through most of the day.
    Sharer,
    /// A session on some days.
    Rare,
}

pub(crate) const STRATA: [Stratum; 5] =
    [Stratum::Streamer, Stratum::Office, Stratum::Mobile, Stratum::Sharer, Stratum::Rare];

/// How a stratum behaves.
struct Habits {
    /// Whether an account is there at all on a day.
    present: f64,
    /// Sessions a day, least and most.
    sessions: (usize, usize),
    /// Length of a session in minutes: median, and sigma of its logarithm.
    minutes: (f64, f64),
    /// Bytes of a day: median, and sigma of their logarithm.
    bytes: (f64, f64),
    /// Share of `up` in them.
    up_share: f64,
    /// Weight of each hour of the day for the beginning of a session.
    hours: [u32; 24],
}

const EVENING: [u32; 24] = [4, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 4, 5, 7, 10, 14, 18, 20, 18, 12, 7];
const WORK: [u32; 24] = [1, 1, 1, 1, 1, 2, 6, 14, 20, 18, 12, 8, 8, 14, 12, 10, 6, 4, 3, 3, 2, 2, 1, 1];
const WAKING: [u32; 24] = [3, 1, 1, 1, 1, 2, 5, 9, 10, 9, 9, 10, 11, 10, 9, 9, 10, 11, 11, 10, 9, 8, 7, 5];
const ALWAYS: [u32; 24] = [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 6, 5];

impl Stratum {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Streamer => "streamer",
            Self::Office => "office",
            Self::Mobile => "mobile",
            Self::Sharer => "sharer",
            Self::Rare => "rare",
        }
    }

    /// The stratum of an account: they take turns.
    pub(crate) const fn of(account: usize) -> Self {
        STRATA[account % STRATA.len()]
    }

    /// The share of `up` in what it moves, before each day's deviation.
    pub(crate) const fn up_share(self) -> f64 {
        self.habits().up_share
    }

    /// Bytes of a day up and down, without its sessions.
    pub(crate) fn bytes_of_a_day(self, rng: &mut Rng) -> [u64; 2] {
        let habits = self.habits();
        let bytes = rng.lognormal(habits.bytes.0, habits.bytes.1);
        let up = bytes * habits.up_share;
        [whole(up), whole(bytes - up)]
    }

    const fn habits(self) -> Habits {
        match self {
            Self::Streamer => Habits {
                present: 0.85,
                sessions: (1, 3),
                minutes: (110.0, 0.5),
                bytes: (6.0 * GIB, 0.9),
                up_share: 0.03,
                hours: EVENING,
            },
            Self::Office => Habits {
                present: 0.7,
                sessions: (1, 4),
                minutes: (130.0, 0.6),
                bytes: (1.2 * GIB, 0.9),
                up_share: 0.3,
                hours: WORK,
            },
            Self::Mobile => Habits {
                present: 0.95,
                sessions: (6, 16),
                minutes: (9.0, 0.8),
                bytes: (180.0 * MIB, 1.1),
                up_share: 0.15,
                hours: WAKING,
            },
            Self::Sharer => Habits {
                present: 0.9,
                sessions: (1, 3),
                minutes: (260.0, 0.4),
                bytes: (9.0 * GIB, 1.2),
                up_share: 0.9,
                hours: ALWAYS,
            },
            Self::Rare => Habits {
                present: 0.3,
                sessions: (1, 2),
                minutes: (25.0, 1.0),
                bytes: (250.0 * MIB, 1.5),
                up_share: 0.1,
                hours: WAKING,
            },
        }
    }
}

/// A session of a day, in seconds since midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Session {
    pub(crate) starts: u32,
    pub(crate) ends: u32,
}

impl Session {
    fn length(self) -> u32 {
        self.ends - self.starts
    }

    /// The steps that it touches.
    pub(crate) fn steps(self) -> std::ops::RangeInclusive<usize> {
        (self.starts / STEP_SECONDS) as usize..=(self.ends / STEP_SECONDS) as usize
    }
}

/// What an account moves in one step.
#[derive(Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) step: usize,
    pub(crate) up: u64,
    pub(crate) down: u64,
}

/// One account's day.
#[derive(Clone, Default)]
pub(crate) struct AccountDay {
    pub(crate) sessions: Vec<Session>,
    /// Ascending, each step once.
    pub(crate) moved: Vec<Moved>,
}

/// A population, from a seed.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) accounts: usize,
}

/// Bytes a second of the transfer that somebody knows of.
const TRANSFER_RATE: f64 = 5e6;

impl World {
    /// A download on this day that somebody knows of: whose, one of each stratum, and how many bytes,
    /// about 2 GiB. Neither its time nor its rate is known.
    pub(crate) fn transfer(&self, stratum: Stratum, day: usize) -> (usize, u64) {
        let mut rng = Rng::of(&[self.seed, 3, stratum as u64, day as u64]);
        let turn = rng.below(self.accounts / STRATA.len());
        (turn * STRATA.len() + stratum as usize, whole(rng.uniform(1.6, 2.4) * GIB))
    }

    /// What an account does on a day.
    pub(crate) fn day(&self, account: usize, day: usize) -> AccountDay {
        let habits = Stratum::of(account).habits();
        let mut rng = Rng::of(&[self.seed, 1, account as u64, day as u64]);
        let (whose, bytes) = self.transfer(Stratum::of(account), day);
        let transfer = (whose == account).then_some(bytes);
        if !rng.chance(habits.present) && transfer.is_none() {
            return AccountDay::default();
        }
        let (least, most) = habits.sessions;
        let count = least + rng.below(most - least + 1);
        let lengths: Vec<u32> = (0..count)
            .map(|_| {
                let minutes = rng.lognormal(habits.minutes.0, habits.minutes.1).clamp(2.0, 420.0);
                u32::try_from(whole(minutes * 60.0)).expect("a length of minutes")
            })
            .collect();
        let transfer_seconds = transfer.map(|bytes| whole(bytes as f64 / TRANSFER_RATE));
        let mut sessions: Vec<Session> = Vec::new();
        if let Some(seconds) = transfer_seconds {
            let length = u32::try_from(seconds).expect("a length of minutes");
            place(&mut sessions, &[length], &habits.hours, &mut rng);
        }
        let transfers = sessions.len();
        place(&mut sessions, &lengths, &habits.hours, &mut rng);
        let bytes = rng.lognormal(habits.bytes.0, habits.bytes.1);
        let up_share = (habits.up_share * rng.uniform(0.7, 1.3)).min(0.98);
        let mut moved = spread(&sessions[transfers..], bytes, up_share, &mut rng);
        if let (Some(bytes), Some(session)) = (transfer, sessions[..transfers].first()) {
            let each = bytes / session.steps().count() as u64;
            moved.extend(session.steps().map(|step| Moved { step, up: each / 60, down: each }));
        }
        moved.sort_unstable_by_key(|piece| piece.step);
        sessions.sort_unstable_by_key(|session| session.starts);
        AccountDay { moved, sessions }
    }

    /// The same day with every session at another time: the same lengths, the same bytes in the same
    /// pieces.
    pub(crate) fn moved_day(&self, account: usize, day: usize) -> AccountDay {
        let true_day = self.day(account, day);
        let habits = Stratum::of(account).habits();
        let mut rng = Rng::of(&[self.seed, 2, account as u64, day as u64]);
        let lengths: Vec<u32> = true_day.sessions.iter().map(|session| session.length()).collect();
        let mut sessions = Vec::new();
        place(&mut sessions, &lengths, &habits.hours, &mut rng);
        if sessions.len() < lengths.len() {
            return true_day;
        }
        // Whole steps, so that the pieces stay what they were.
        for (session, was) in sessions.iter_mut().zip(&true_day.sessions) {
            let by = session.starts - session.starts % STEP_SECONDS + was.starts % STEP_SECONDS;
            *session = Session { starts: by, ends: by + was.length() };
        }
        let mut moved = Vec::with_capacity(true_day.moved.len());
        for piece in &true_day.moved {
            let at = true_day.sessions.iter().position(|session| session.steps().contains(&piece.step));
            let at = at.expect("every piece is of a session");
            let (from, to) = (true_day.sessions[at].starts, sessions[at].starts);
            let step = piece.step - (from / STEP_SECONDS) as usize + (to / STEP_SECONDS) as usize;
            moved.push(Moved { step, ..*piece });
        }
        moved.sort_unstable_by_key(|piece| piece.step);
        sessions.sort_unstable_by_key(|session| session.starts);
        AccountDay { sessions, moved }
    }
}

/// Puts sessions of these lengths into a day, in this order; those that find no room are left out.
fn place(sessions: &mut Vec<Session>, lengths: &[u32], hours: &[u32; 24], rng: &mut Rng) {
    for length in lengths {
        for _ in 0..60 {
            let hour = u32::try_from(rng.weighted(hours)).expect("an hour");
            let second = u32::try_from(rng.below(3600)).expect("a second");
            let starts = (hour * 3600 + second).max(MARGIN_SECONDS);
            let session = Session { starts, ends: starts + length };
            let free = session.ends + MARGIN_SECONDS <= DAY_SECONDS
                && sessions.iter().all(|other| {
                    session.ends + APART_SECONDS < other.starts || other.ends + APART_SECONDS < session.starts
                });
            if free {
                sessions.push(session);
                break;
            }
        }
    }
}

/// Spreads a day's bytes over its sessions: bursts and pauses, and something at each end.
fn spread(sessions: &[Session], bytes: f64, up_share: f64, rng: &mut Rng) -> Vec<Moved> {
    let mut weights: Vec<(usize, f64)> = Vec::new();
    for session in sessions {
        let (first, last) = (*session.steps().start(), *session.steps().end());
        let mut bursts = true;
        for step in first..=last {
            let edge = step == first || step == last;
            if bursts {
                weights.push((step, rng.exponential()));
            } else if edge {
                weights.push((step, 0.001));
            }
            // Bursts of a minute and a half on average, pauses of one.
            bursts = if bursts { !rng.chance(1.0 / 6.0) } else { rng.chance(1.0 / 4.0) };
        }
    }
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights
        .iter()
        .map(|(step, weight)| {
            // Not less than a look-up and its answer.
            let here = (bytes * weight / total).max(400.0);
            let up = here * (up_share * rng.uniform(0.6, 1.4)).min(0.99);
            Moved { step: *step, up: whole(up).max(120), down: whole(here - up).max(120) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: World = World { seed: 11, accounts: 50 };

    fn totals(day: &AccountDay) -> (u64, u64, usize) {
        let sum = |side: fn(&Moved) -> u64| day.moved.iter().map(side).sum();
        (sum(|piece| piece.up), sum(|piece| piece.down), day.moved.len())
    }

    #[test]
    fn a_moved_day_holds_the_same_bytes_at_other_times() {
        let mut elsewhere = 0;
        for account in 0..WORLD.accounts {
            for day in 0..6 {
                let (one, other) = (WORLD.day(account, day), WORLD.moved_day(account, day));
                assert_eq!(totals(&one), totals(&other));
                assert!(other.moved.windows(2).all(|pair| pair[0].step < pair[1].step));
                assert!(other.moved.iter().all(|piece| piece.step < STEPS));
                elsewhere += usize::from(!one.sessions.is_empty() && one.sessions != other.sessions);
                for piece in &other.moved {
                    assert!(other.sessions.iter().any(|session| session.steps().contains(&piece.step)));
                }
            }
        }
        assert!(elsewhere > 150, "{elsewhere} days differ");
    }

    #[test]
    fn a_seed_gives_one_world() {
        let again = World { ..WORLD };
        assert_eq!(WORLD.day(3, 9).sessions, again.day(3, 9).sessions);
        let other = World { seed: 12, ..WORLD };
        let differ = |account| WORLD.day(account, 9).sessions != other.day(account, 9).sessions;
        assert!((0..50).filter(|account| differ(*account)).count() > 25);
    }
}
