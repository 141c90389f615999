//! VPN servers are asked, each part of a source as often as it is configured, on a thread of the source's own:
//! nobody who counts or answers waits for a server.
//!
//! Holds, beside what the feed holds, when each part is asked next.

use crate::clock::{EqualShares, Stopwatch, pause};
use crate::engine::state::State;
use crate::environment::Environment;
use crate::roster::Roster;
use crate::roster::sources::{Feed, Passed, Said};
use std::io;
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;

/// Processor time of an answer for each account that there is room for, and its limits: above what reading the
/// answers of servers with so many clients takes. How many there are, and when one comes, is not to be told by it;
/// beyond the limit it is.
const FOR_AN_ACCOUNT: Duration = Duration::from_micros(4);
const LEAST_SHARE: Duration = Duration::from_millis(2);
const MOST_SHARE: Duration = Duration::from_millis(50);

/// How long the thread rests at the most, so that it ends soon after the daemon's state is gone.
const REST: Duration = Duration::from_secs(1);

/// Starts to ask the parts of a source, each so often; returns when each has answered once, or has not in time.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn start<E: Environment>(
    state: &Arc<State<E>>,
    feed: Feed,
    polls: Vec<Duration>,
    ask: impl FnMut(&Roster, usize) -> (Said, Passed) + Send + 'static,
) -> io::Result<()> {
    let asking = Asking { state: Arc::downgrade(state), feed, ask };
    let (heard, first) = mpsc::channel();
    std::thread::Builder::new().name("sources".into()).spawn(move || asking.work(&polls, &heard))?;
    // It ends with the state, and not before.
    let _ = first.recv();
    Ok(())
}

struct Asking<E: Environment, A> {
    state: Weak<State<E>>,
    feed: Feed,
    ask: A,
}

impl<E: Environment, A: FnMut(&Roster, usize) -> (Said, Passed)> Asking<E, A> {
    fn work(mut self, polls: &[Duration], heard: &mpsc::Sender<()>) {
        let (since, mut shares) = (Stopwatch::start(), None::<EqualShares>);
        let mut due = vec![Duration::ZERO; polls.len()];
        loop {
            for (part, poll) in polls.iter().enumerate() {
                if due[part] <= since.elapsed() {
                    let Some(state) = self.state.upgrade() else { return };
                    let (said, passed) = (self.ask)(state.roster(), part);
                    if said.is_ok() {
                        state.pass_over(self.feed.source(), part, passed);
                    }
                    state.hear(&mut self.feed, part, said);
                    shares.get_or_insert_with(|| EqualShares::of(share(state.roster().capacity()))).spend();
                    due[part] = since.elapsed() + *poll;
                }
            }
            // Nobody waits any more after the first time.
            let _ = heard.send(());
            let next = due.iter().min().copied().unwrap_or_default();
            pause(next.saturating_sub(since.elapsed()).min(REST));
        }
    }
}

/// The processor time of an answer where there is room for so many accounts.
fn share(capacity: u64) -> Duration {
    let accounts = u32::try_from(capacity).unwrap_or(u32::MAX);
    FOR_AN_ACCOUNT.saturating_mul(accounts).clamp(LEAST_SHARE, MOST_SHARE)
}
