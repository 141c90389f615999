//! The only place that reads a clock or waits for one. Everything else is passed a [`Reading`].
//!
//! Holds no time of any packet, session or user: readings decide when an epoch ends, and timeouts
//! bound what anyone may ask of a server.
#![expect(clippy::disallowed_methods, reason = "this is the one file that reads clocks")]

use nix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks at one moment.
#[derive(Clone, Copy)]
pub struct Reading {
    /// Seconds since 1970-01-01 UTC; steps when the clock is set.
    pub wall_seconds: u64,
    /// Nanoseconds since boot, suspend included; never steps.
    pub boot_nanoseconds: u64,
}

/// A wall clock that shows a time at which this program cannot run; shown as what to do about it.
#[derive(Clone, Copy)]
pub struct ImplausibleClock {
    /// What it shows: seconds since 1970.
    pub wall_seconds: u64,
}

/// Before this the program did not exist: 2026-01-01.
const EARLIEST_SECONDS: u64 = 1_767_225_600;

/// A later clock has more likely been set wrong than not: 2036-01-01, the year in which NTP's first era ends
/// (RFC 5905, section 6).
const LATEST_SECONDS: u64 = 2_082_758_400;

/// What is wrong with this time of the wall clock, if anything.
#[must_use]
pub fn implausible_clock(wall_seconds: u64) -> Option<ImplausibleClock> {
    let is_plausible = (EARLIEST_SECONDS..LATEST_SECONDS).contains(&wall_seconds);
    (!is_plausible).then_some(ImplausibleClock { wall_seconds })
}

impl std::fmt::Display for ImplausibleClock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The mean year of the calendar: near enough to name one.
        let year = 1970 + self.wall_seconds / 31_556_952;
        write!(
            out,
            "clock: the system's clock shows the year {year}; set it (timedatectl set-ntp true) and restart, since \
             epochs, bands and periods follow it"
        )
    }
}

/// A pair of clocks: the system's, or a simulated one.
pub trait Clock {
    /// Reads both clocks.
    fn now(&self) -> Reading;

    /// Tells boots apart: boot clocks of different boots cannot be compared.
    fn boot(&self) -> [u8; 16];
}

/// The clocks of the running system.
pub struct SystemClock;

impl Clock for SystemClock {
    /// A wall clock before 1970 reads as 0.
    ///
    /// # Panics
    /// When the kernel has no boot-time clock; every Linux since 2.6.39 has one.
    fn now(&self) -> Reading {
        let wall_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("CLOCK_BOOTTIME exists");
        let seconds = u64::try_from(boot.tv_sec()).unwrap_or(0);
        let nanoseconds = u64::try_from(boot.tv_nsec()).unwrap_or(0);
        Reading { wall_seconds, boot_nanoseconds: seconds * 1_000_000_000 + nanoseconds }
    }

    /// All zeros where the kernel gives no boot id, so that all boots look alike. Read once: the file
    /// is out of reach in the sandbox.
    fn boot(&self) -> [u8; 16] {
        static BOOT: OnceLock<[u8; 16]> = OnceLock::new();
        *BOOT.get_or_init(|| {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            u128::from_str_radix(&digits, 16).unwrap_or(0).to_be_bytes()
        })
    }
}

/// Waits.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for a future for at most this long; none when it takes longer.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(duration, future).await.ok()
}

/// Blocks the thread for so long.
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Points in time that lie apart by one interval, whatever is done between them.
pub struct Ticks {
    next: Instant,
    interval: Duration,
}

impl Ticks {
    /// The first is one interval from now.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { next: Instant::now() + interval, interval }
    }

    /// Blocks the thread until the next one that is still to come.
    pub fn wait(&mut self) {
        let now = Instant::now();
        while self.next <= now {
            self.next += self.interval;
        }
        std::thread::sleep(self.next - now);
    }
}

/// The processor time of the calling thread, spent in equal shares.
pub struct EqualShares {
    share: Duration,
    /// Processor time at which the present share ends.
    end: Duration,
}

impl EqualShares {
    /// The first share begins now.
    #[must_use]
    pub fn of(share: Duration) -> Self {
        Self { share, end: thread_time().unwrap_or_default() + share }
    }

    /// Keeps the processor busy until the share is spent, and begins the next one. A share that was exceeded is
    /// not made up for: the ones after it would tell of it.
    pub fn spend(&mut self) {
        // A kernel that does not tell is not waited for.
        while let Some(now) = thread_time() {
            if now >= self.end {
                self.end = now + self.share;
                return;
            }
            for _ in 0..64 {
                std::hint::spin_loop();
            }
        }
    }
}

/// How long the calling thread has had a processor.
fn thread_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// A running stopwatch, for the demo and for timeouts.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_or_runs_far_ahead_is_told_with_its_year() {
        for (seconds, year) in [(0, "1970"), (86_400, "1970"), (961_684_800, "2000"), (2_100_000_000, "2036")]
        {
            let told = implausible_clock(seconds).expect("it is implausible").to_string();
            assert!(told.contains(&format!("the year {year};")) && told.contains("timedatectl"), "{told}");
        }
        assert!(implausible_clock(1_795_046_400).is_none());
    }
}
