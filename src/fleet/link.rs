//! The fleet as the rest of the daemon sees it: a thread that sends once a week, and shares of each epoch where totals
//! are the fleet's, and answers look-ups between two rounds of that.
//!
//! Metering never waits for it: refreshes are left in a queue, and whoever asks waits for an answer of his own. Holds
//! the fleet's key and the last refresh, in memory alone: what a process was sending ends with it.

use super::courier::Courier;
use super::epochs::Rounds;
use super::keys::FleetKey;
use super::look_up::{self, AsOf, Confirmed, Places, Sums, Untold, letter};
use super::pace::longer;
use super::sending::{Obeyed, Sending};
use super::settings::Role;
use super::trouble::Trouble;
use super::words::Words;
use crate::clock::{Clock, Reading, SystemClock};
use crate::engine::refreshes::{News, Refresh};
use crate::engine::state::State;
use crate::environment::System;
use crate::log::{Event, emit};
use crate::meter::flags::kind::Kinds;
use crate::meter::policy::{Policy, Scope};
use crate::meter::tags::Tag;
use crate::meter::units::DAY_SECONDS;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a cluster holds is read back so often, and sent again where it is gone.
const REVIEW: Duration = Duration::from_hours(6);

/// So long after its end a period stays in the clusters.
const KEPT_SECONDS: u64 = 7 * DAY_SECONDS;

/// What is asked of the fleet's thread.
enum Job {
    News(News),
    Resend(oneshot::Sender<bool>),
    Total(Tag, Role, oneshot::Sender<Result<Sums, Untold>>),
    Erase(Tag, Option<Words>, oneshot::Sender<Result<Confirmed, Untold>>),
    Confirmed(Tag, oneshot::Sender<Result<Confirmed, Untold>>),
}

/// How far one cluster is with what this node sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is to be sent before the next refresh: this process has seen none.
    Waiting,
    /// The weekly sending is under way.
    Sending,
    /// The cluster holds everything, as far as it was read back.
    Sent,
}

impl Progress {
    /// Its word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
        }
    }
}

/// What is told of a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterState {
    /// A or B.
    pub letter: char,
    /// How far it is.
    pub progress: Progress,
    /// Why it does not go on.
    pub trouble: Option<Trouble>,
}

/// How sendings are paced, and where periods begin.
struct Schedule {
    /// How long a sending is spread over.
    spread: Duration,
    /// Length of a period.
    period_seconds: u64,
    /// Time between two refreshes.
    refresh_seconds: u64,
}

impl Schedule {
    /// The period that this week's refresh is of.
    fn period(&self, week: u64) -> u64 {
        week.saturating_mul(self.refresh_seconds).saturating_sub(1) / self.period_seconds
    }

    /// The weeks that any account may be looked up as of, the latest first, with whether it is the one before the last. Not the
    /// last one while nodes may be sending it: by turns, clusters differ then in what is there of an account, and never in
    /// what is there of nobody.
    fn weeks(&self, last: u64, wall_seconds: u64) -> impl Iterator<Item = (u64, bool)> + use<> {
        let sent = last.saturating_mul(self.refresh_seconds).saturating_add(2 * self.spread.as_secs());
        let weeks = [(last, false), (last.saturating_sub(1), true)];
        weeks.into_iter().skip(usize::from(wall_seconds < sent))
    }

    /// When a period's words are gone from the clusters.
    fn expiry(&self, period: u64) -> u64 {
        (period + 1).saturating_mul(self.period_seconds).saturating_add(KEPT_SECONDS)
    }
}

/// The fleet's thread, for whoever asks it.
pub struct Link {
    jobs: Sender<Job>,
    board: Arc<Mutex<Vec<ClusterState>>>,
}

/// What the thread works with.
struct Fleet {
    courier: Courier,
    key: FleetKey,
    node: String,
    state: Arc<State<System>>,
    schedule: Schedule,
    sending: Option<Sending>,
    /// For each cluster, when its next round is due by the boot clock, and what the last failure made it wait.
    paces: Vec<(u64, Duration)>,
    reviewed_at: u64,
    /// None where each node publishes its own totals.
    rounds: Option<Rounds>,
    board: Arc<Mutex<Vec<ClusterState>>>,
}

impl Link {
    /// Starts the thread of a node of this name.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        courier: Courier,
        key: FleetKey,
        node: String,
        state: &Arc<State<System>>,
        policy: &Policy,
        spread: Duration,
    ) -> std::io::Result<Arc<Self>> {
        let (jobs, asked) = channel();
        let clusters = courier.clusters();
        let new = |place| ClusterState { letter: letter(place), progress: Progress::Waiting, trouble: None };
        let board = Arc::new(Mutex::new((0..clusters).map(new).collect()));
        let fleet = Fleet {
            courier,
            key,
            node,
            state: Arc::clone(state),
            schedule: Schedule {
                spread,
                period_seconds: policy.period_seconds,
                refresh_seconds: policy.refresh_seconds,
            },
            sending: None,
            paces: vec![(0, Duration::ZERO); clusters],
            reviewed_at: 0,
            rounds: match policy.scope {
                Scope::Node => None,
                Scope::Fleet(terms) => Some(Rounds::new(policy, terms)),
            },
            board: Arc::clone(&board),
        };
        thread::Builder::new().name("fleet".to_owned()).spawn(move || run(fleet, &asked))?;
        let told = Mutex::new(jobs.clone());
        state.send_news(move |news| {
            // A thread that ended has ended the process.
            let _ = lock(&told).send(Job::News(news));
        });
        Ok(Arc::new(Self { jobs, board }))
    }

    /// Sends the last refresh again; false where this process has seen none.
    pub async fn resend(&self) -> bool {
        self.ask(Job::Resend).await.unwrap_or(false)
    }

    /// The sums of an account over all nodes, as of the last refresh.
    ///
    /// # Errors
    /// Why they cannot be told.
    pub async fn total(&self, account: Tag, role: Role) -> Result<Sums, Untold> {
        self.ask(|told| Job::Total(account, role, told)).await.unwrap_or(Err(gone()))
    }

    /// Has every node forget an account.
    ///
    /// # Errors
    /// Why a cluster did not take it.
    pub async fn erase(&self, account: Tag) -> Result<Confirmed, Untold> {
        self.ask(|told| Job::Erase(account, None, told)).await.unwrap_or(Err(gone()))
    }

    /// Sets the bytes that an account sent and received in this period on all nodes together.
    ///
    /// # Errors
    /// Why a cluster did not take it; then it must be asked for again.
    pub async fn correct(&self, account: Tag, (up, down): (u64, u64)) -> Result<Confirmed, Untold> {
        let words = Words::new(up, down, Kinds::default());
        self.ask(|told| Job::Erase(account, Some(words), told)).await.unwrap_or(Err(gone()))
    }

    /// How many nodes have followed the last erasure or correction.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub async fn confirmed(&self, account: Tag) -> Result<Confirmed, Untold> {
        self.ask(|told| Job::Confirmed(account, told)).await.unwrap_or(Err(gone()))
    }

    /// How far each cluster is.
    #[must_use]
    pub fn clusters(&self) -> Vec<ClusterState> {
        lock(&self.board).clone()
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Option<T> {
        let (told, answer) = oneshot::channel();
        self.jobs.send(job(told)).ok()?;
        answer.await.ok()
    }
}

fn gone() -> Untold {
    Untold::Cluster(letter(0), Trouble::Unreachable)
}

fn run(mut fleet: Fleet, jobs: &Receiver<Job>) {
    loop {
        let wait = fleet.step(SystemClock.now());
        match jobs.recv_timeout(wait) {
            Ok(job) => fleet.answer(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Fleet {
    /// Makes the rounds that are due; returns how long nothing is.
    fn step(&mut self, now: Reading) -> Duration {
        let next = self.add_to_epochs().min(self.send(now));
        Duration::from_nanos(next.saturating_sub(SystemClock.now().boot_nanoseconds)).min(REVIEW)
    }

    /// Sends shares of epochs, where that is due; returns when it is due next.
    fn add_to_epochs(&mut self) -> u64 {
        let Some(rounds) = &mut self.rounds else { return u64::MAX };
        if SystemClock.now().boot_nanoseconds < rounds.due() {
            return rounds.due();
        }
        let result = rounds.round(&mut self.courier, (&self.key, &self.node), &self.state);
        let wait = result.unwrap_or_else(|_| Some(rounds.longer()));
        rounds.postpone(SystemClock.now().boot_nanoseconds, wait);
        let due = rounds.due();
        match result {
            Ok(_) => (0..self.paces.len()).for_each(|place| self.note(place, None)),
            Err((place, trouble)) => self.note(place, Some(trouble)),
        }
        due
    }

    /// Makes the rounds of the weekly sending that are due; returns when the next one is.
    fn send(&mut self, now: Reading) -> u64 {
        if self.sending.is_none() {
            return u64::MAX;
        }
        let is_reviewed = now.boot_nanoseconds >= self.reviewed_at;
        if let Some(sending) = self.sending.as_mut().filter(|_| is_reviewed) {
            sending.review();
            self.reviewed_at = now.boot_nanoseconds + nanoseconds(REVIEW);
        }
        for place in 0..self.paces.len() {
            let is_done = self.sending.as_ref().is_none_or(|sending| sending.is_done(place));
            if !is_done && now.boot_nanoseconds >= self.paces[place].0 {
                self.round(place);
            }
            self.tell(place);
        }
        let due = |place: usize| match &self.sending {
            Some(sending) if !sending.is_done(place) => self.paces[place].0,
            _ => self.reviewed_at,
        };
        (0..self.paces.len()).map(due).min().unwrap_or(u64::MAX)
    }

    fn round(&mut self, place: usize) {
        let now = SystemClock.now();
        let Some(sending) = &mut self.sending else { return };
        let asked = sending.round(place, now.wall_seconds / DAY_SECONDS);
        let calls: Vec<_> = asked.iter().map(|(_, call)| call.clone()).collect();
        let answered = self.courier.ask(place, Role::Node, &calls);
        let heard = answered.and_then(|replies| sending.heard(place, &asked, &replies));
        let rounds = u32::try_from(sending.rounds()).unwrap_or(u32::MAX).max(1);
        // Reading back costs a cluster little, and what is missing is to be there soon.
        let pace = self.schedule.spread / rounds / if sending.is_sending(place) { 1 } else { 4 };
        let after = SystemClock.now().boot_nanoseconds;
        let (wait, trouble) = match heard {
            Ok((obeyed, missing)) => {
                self.obey(&obeyed);
                let wait = if missing == 0 { Duration::ZERO } else { self.longer(place) };
                (wait, None)
            }
            Err(trouble) => (self.longer(place), Some(trouble)),
        };
        self.paces[place] = (after + nanoseconds(wait.max(pace)), wait);
        self.note(place, trouble);
    }

    fn longer(&self, place: usize) -> Duration {
        longer(self.paces[place].1)
    }

    /// Forgets accounts that were erased or corrected elsewhere, as an officer's word here would.
    fn obey(&self, obeyed: &[Obeyed]) {
        for Obeyed { slot, tag } in obeyed {
            let roster = self.state.roster();
            let (_, period) = self.state.node().last_refresh();
            // The slot may have gone to another account since the refresh.
            let account = roster.account_of(*slot).filter(|account| {
                [period, period + 1].iter().any(|period| self.key.period_tag(*account, *period) == *tag)
            });
            if let Some(account) = account {
                self.state.node().erase(Some(*slot), account);
                self.state.outdated();
            }
        }
    }

    fn answer(&mut self, job: Job) {
        match job {
            Job::News(News::Refreshed(refresh)) => self.begin(refresh),
            Job::News(News::Released) => self.rounds.iter_mut().for_each(Rounds::released),
            Job::Resend(told) => {
                let is_known = self.sending.is_some();
                if let Some(sending) = &mut self.sending {
                    sending.restart();
                    self.paces.fill((0, Duration::ZERO));
                }
                let _ = told.send(is_known);
            }
            Job::Total(account, role, told) => {
                let weeks = self.weeks(account, SystemClock.now().wall_seconds);
                let _ = told.send(look_up::total(&mut self.courier, role, &weeks));
            }
            Job::Erase(account, corrected, told) => {
                let _ = told.send(self.erase(account, corrected));
            }
            Job::Confirmed(account, told) => {
                let places = self.places(account);
                let _ = told.send(look_up::confirmed(&mut self.courier, &places));
            }
        }
    }

    fn begin(&mut self, refresh: Refresh) {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // Without randomness no share is safe: nothing is sent before the next refresh.
            return;
        }
        let expires = self.schedule.expiry(refresh.period);
        let fixed = (self.courier.clusters(), expires, key);
        self.sending = Some(Sending::new(refresh, self.key.clone(), self.node.clone(), fixed));
        self.paces.fill((0, Duration::ZERO));
        self.reviewed_at = SystemClock.now().boot_nanoseconds + nanoseconds(REVIEW);
    }

    /// Marks the account where the next sending of each node goes, which is how nodes hear of it, and takes away what
    /// lies in the clusters, or puts what is told here in its place.
    fn erase(&mut self, account: Tag, corrected: Option<Words>) -> Result<Confirmed, Untold> {
        let (week, last) = self.state.node().last_refresh();
        let next = self.schedule.period(week + 1);
        let places = self.places(account);
        let set_in = look_up::week_of_erasure(&mut self.courier, &places, week)?;
        let now = SystemClock.now().wall_seconds;
        let shares = corrected.map(|words| split(words, self.courier.clusters())).transpose()?;
        // What nodes hear of comes last: until then, asking again begins anew.
        let earlier = [last.saturating_sub(1), last].into_iter().filter(|period| *period != next);
        for period in earlier.chain([next]) {
            let expires = self.schedule.expiry(period);
            if expires <= now {
                continue;
            }
            let tag = self.key.period_tag(account, period);
            let mark = look_up::mark(&mut self.courier, tag)?.saturating_add(1);
            let shares = shares.filter(|_| period == next);
            look_up::erase(&mut self.courier, tag, (mark, set_in), expires, shares)?;
        }
        look_up::confirmed(&mut self.courier, &places)
    }

    /// Where the words of an account lie in the period of the last refresh, and of the next.
    fn places(&self, account: Tag) -> Vec<Places> {
        let (week, last) = self.state.node().last_refresh();
        let mut periods = vec![last, self.schedule.period(week + 1)];
        periods.dedup();
        periods.into_iter().map(|period| Places::new(&self.key, account, period)).collect()
    }

    fn weeks(&self, account: Tag, wall_seconds: u64) -> Vec<AsOf> {
        let (last, _) = self.state.node().last_refresh();
        let as_of = |(week, is_before)| {
            let places = Places::new(&self.key, account, self.schedule.period(week));
            AsOf { places, week, is_before }
        };
        self.schedule.weeks(last, wall_seconds).map(as_of).collect()
    }

    /// One line when a cluster's trouble changes, and one when it is over.
    fn note(&self, place: usize, trouble: Option<Trouble>) {
        let mut board = lock(&self.board);
        let Some(state) = board.get_mut(place) else { return };
        if state.trouble != trouble {
            state.trouble = trouble;
            match trouble {
                Some(trouble) => emit(&Event::FleetTrouble(state.letter, &trouble.to_string())),
                None => emit(&Event::FleetRecovered(state.letter)),
            }
        }
    }

    fn tell(&self, place: usize) {
        let progress = match &self.sending {
            None => Progress::Waiting,
            Some(sending) if sending.is_done(place) => Progress::Sent,
            Some(_) => Progress::Sending,
        };
        if let Some(state) = lock(&self.board).get_mut(place) {
            state.progress = progress;
        }
    }
}

/// A correction, as it is told to each of so many clusters.
fn split(words: Words, clusters: usize) -> Result<[Words; 2], Untold> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| gone())?;
    let first = Words::drawn(&key, &[]);
    Ok(if clusters == 1 { [words; 2] } else { [first, words.without(first)] })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The lock cannot be poisoned, since a panic ends the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_week_is_told_of_nobody_while_nodes_may_send_it() {
        let spread = Duration::from_hours(1);
        let schedule =
            Schedule { spread, period_seconds: 28 * DAY_SECONDS, refresh_seconds: 7 * DAY_SECONDS };
        let refreshed = 3000 * 7 * DAY_SECONDS;
        let weeks = |after: u64| schedule.weeks(3000, refreshed + after).collect::<Vec<_>>();
        assert_eq!(weeks(0), [(2999, true)]);
        assert_eq!(weeks(2 * 3600 - 1), [(2999, true)]);
        assert_eq!(weeks(2 * 3600), [(3000, false), (2999, true)]);
        // The first refresh of a period is of the one that ended with it.
        assert_eq!([3000, 3001, 3004, 3005].map(|week| schedule.period(week)), [749, 750, 750, 751]);
    }
}
