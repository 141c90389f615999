//! Clock rules L09 and L10 under clocks that are set at will, suspends, restarts and reboots.
//!
//! Memory mode cannot know what an earlier process released; so what is promised for ever holds
//! here for each process, and over restarts as long as nobody sets the clock back.

use crate::environment::{Clocks, EPOCH, POLICY, SimulatedNode, TICK, cases, start};
use blindmeter::clock::Clock;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::node::Tick;
use proptest::prelude::*;

/// Nanoseconds that lie between a close and the close or the start before it, at the least.
const LEAST: u64 = EPOCH * 900_000_000;

/// What happens to the machine.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The process runs for so many seconds.
    Run(u64),
    /// It does not run, and both clocks go on.
    Suspend(u64),
    /// Somebody sets the wall clock.
    Set(i64),
    /// The process ends, and another starts so many seconds later.
    Restart(u64),
    /// The machine as well.
    Reboot(u64),
}

/// What was seen of the processes, one after the other.
#[derive(Default)]
struct Course {
    /// Ordinals of each process's releases.
    released: Vec<Vec<u64>>,
    /// Boot-clock distance of each close from the one before it, or from the start.
    waits: Vec<u64>,
    /// Releases of an index that was running when an earlier process ended, or before, although
    /// the clock was not set back since.
    repeated: Vec<u64>,
    /// What was published changed although nothing was released.
    changed_by_itself: bool,
}

/// One machine: its clocks, its process, and what was seen so far.
struct Machine {
    clocks: Clocks,
    node: SimulatedNode,
    counters: Counters,
    seed: u64,
    mark: u64,
    /// The highest index that ran when a process ended, since the clock was set back last.
    ended: Option<u64>,
    course: Course,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let clocks = Clocks::new();
        let (node, counters) = start(&clocks, 4, seed);
        let mark = clocks.now().boot_nanoseconds;
        let course = Course { released: vec![Vec::new()], ..Course::default() };
        Self { clocks, node, counters, seed, mark, ended: None, course }
    }

    fn meet(&mut self, event: Event) {
        match event {
            Event::Run(seconds) => {
                for _ in 0..seconds / TICK {
                    self.clocks.pass(TICK);
                    self.tick();
                }
            }
            Event::Suspend(seconds) => self.clocks.pass(seconds),
            Event::Set(seconds) => {
                self.clocks.step(seconds);
                if seconds < 0 {
                    self.ended = None;
                }
            }
            Event::Restart(seconds) => self.restart(seconds),
            Event::Reboot(seconds) => {
                self.clocks.reboot();
                self.restart(seconds);
            }
        }
    }

    fn restart(&mut self, seconds: u64) {
        self.ended = self.ended.max(Some(self.clocks.index()));
        self.clocks.pass(seconds);
        self.seed += 1;
        (self.node, self.counters) = start(&self.clocks, 4, self.seed);
        self.mark = self.clocks.now().boot_nanoseconds;
        self.course.released.push(Vec::new());
    }

    /// One look at the clock, under traffic; true when it released.
    fn tick(&mut self) -> bool {
        self.counters.add(Slot::FIRST_ACCOUNT, Direction::Up, 1 << 24, 1 << 10);
        let before = self.node.released();
        match self.node.tick() {
            Tick::Released(release) => {
                let ordinal = release.ordinal();
                if self.ended.is_some_and(|ended| ordinal <= ended) {
                    self.course.repeated.push(ordinal);
                }
                self.course.released.last_mut().expect("one list a process").push(ordinal);
                self.course.changed_by_itself |= self.node.released() != release;
                true
            }
            Tick::Sealed { .. } => {
                let now = self.clocks.now().boot_nanoseconds;
                self.course.waits.push(now - self.mark);
                self.mark = now;
                self.course.changed_by_itself |= self.node.released() != before;
                false
            }
            _ => {
                self.course.changed_by_itself |= self.node.released() != before;
                false
            }
        }
    }

    /// Runs until the next release; seconds that it took.
    fn seconds_to_release(&mut self, at_most: u64) -> Option<u64> {
        (1..=at_most / TICK).find_map(|ticks| {
            self.clocks.pass(TICK);
            self.tick().then_some(ticks * TICK)
        })
    }
}

fn course(seed: u64, events: &[Event]) -> Course {
    let mut machine = Machine::new(seed);
    for event in events {
        machine.meet(*event);
    }
    machine.course
}

/// Seconds from 1 to about ten years, every order of magnitude alike.
fn any_seconds() -> impl Strategy<Value = u64> {
    (0_u32..28, any::<u64>()).prop_map(|(power, word)| (1 << power) + word % (1 << power))
}

fn any_step() -> impl Strategy<Value = i64> {
    let near = -5 * EPOCH.cast_signed()..5 * EPOCH.cast_signed();
    let far = (any_seconds(), any::<bool>()).prop_map(|(seconds, back)| {
        let seconds = seconds.cast_signed();
        if back { -seconds } else { seconds }
    });
    prop_oneof![near, far]
}

/// How long no process runs: often so short that the same index goes on.
fn any_pause() -> impl Strategy<Value = u64> {
    prop_oneof![0..TICK, 0..2 * EPOCH]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3 * EPOCH).prop_map(Event::Run),
        1 => (0..3 * EPOCH).prop_map(Event::Suspend),
        3 => any_step().prop_map(Event::Set),
        1 => any_pause().prop_map(Event::Restart),
        1 => any_pause().prop_map(Event::Reboot),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(any_event(), 1..24)
}

/// Events that leave the wall clock true.
fn any_true_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(any_event().prop_filter("true", |event| !matches!(event, Event::Set(_))), 1..24)
}

proptest! {
    #![proptest_config(cases(400))]

    /// L09 and L10 within a process: an index is released at most once, and ordinals only rise.
    #[test]
    fn a_process_releases_no_index_twice(seed: u64, events in any_events()) {
        for ordinals in course(seed, &events).released {
            prop_assert!(ordinals.is_sorted_by(|before, after| before < after), "{ordinals:?}");
        }
    }

    /// L10: no step, suspend or restart makes an epoch shorter than nine tenths of its length.
    #[test]
    fn no_close_comes_sooner_than_nine_tenths_of_an_epoch(seed: u64, events in any_events()) {
        let waits = course(seed, &events).waits;
        prop_assert!(waits.iter().all(|wait| *wait >= LEAST), "{waits:?}");
    }

    /// What stands in `/metrics` changes by a release and by nothing else.
    #[test]
    fn nothing_but_a_release_changes_what_is_published(seed: u64, events in any_events()) {
        prop_assert!(!course(seed, &events).changed_by_itself);
    }

    /// L09 over restarts: the index that ran when a process ended may have been released by it, and
    /// neither that nor one before it is released again, unless the clock is set back.
    #[test]
    fn a_restart_releases_nothing_that_an_earlier_process_may_have(seed: u64, events in any_events()) {
        let repeated = course(seed, &events).repeated;
        prop_assert!(repeated.is_empty(), "{repeated:?}");
    }

    /// The same, said whole: while the clock runs truly, no restart brings an index back.
    #[test]
    fn ordinals_rise_over_all_restarts_while_the_clock_is_true(seed: u64, events in any_true_events()) {
        let ordinals = course(seed, &events).released.concat();
        prop_assert!(ordinals.is_sorted_by(|before, after| before < after), "{ordinals:?}");
    }

    /// L10: whatever was done to the clock before, once it runs truly a release is not further than
    /// three epochs away.
    #[test]
    fn no_clock_mutes_the_node_for_longer_than_three_epochs(
        seed: u64, events in any_events(), last in any_step()
    ) {
        let mut machine = Machine::new(seed);
        for event in events {
            machine.meet(event);
        }
        machine.meet(Event::Set(last));
        let seconds = machine.seconds_to_release(8 * EPOCH);
        let delay = POLICY.delay_nanoseconds() / 1_000_000_000;
        prop_assert!(seconds.is_some_and(|seconds| seconds <= 3 * EPOCH + delay + 2 * TICK), "{seconds:?}");
    }
}

/// The control of the properties above: left alone, a node releases each epoch, a fixed time after
/// its end, and the first is the one after that which ran at the start.
#[test]
fn a_node_that_is_left_alone_releases_every_epoch_on_time() {
    let mut machine = Machine::new(1);
    let first = machine.clocks.index() + 1;
    let delay = POLICY.delay_nanoseconds() / 1_000_000_000;
    // Started at noon: the rest of this day is not released by itself.
    assert_eq!(machine.seconds_to_release(9 * EPOCH), Some(EPOCH / 2 + EPOCH + delay));
    for _ in 0..20 {
        assert_eq!(machine.seconds_to_release(9 * EPOCH), Some(EPOCH));
    }
    assert_eq!(machine.course.released.concat(), (first..first + 21).collect::<Vec<_>>());
}

/// A clock that was ahead by hours, days or years, at every phase of the epoch: three epochs at the
/// most, two where it was so far ahead that its index stays below the last one.
#[test]
fn a_clock_that_was_ahead_does_not_mute_the_node() {
    let delay = POLICY.delay_nanoseconds() / 1_000_000_000;
    for epochs_ahead in [1, 2, 3, 4, 5, 365, 3650] {
        for phase in (0..EPOCH).step_by(7 * usize::try_from(TICK).expect("small")) {
            let mut machine = Machine::new(1);
            machine.seconds_to_release(9 * EPOCH).expect("the first release");
            let back = epochs_ahead * EPOCH - phase;
            machine.meet(Event::Set(-back.cast_signed()));
            let seconds = machine.seconds_to_release(9 * EPOCH).expect("it releases again");
            let epochs = if epochs_ahead < 4 { 3 } else { 2 };
            let at_most = epochs * EPOCH + delay + TICK;
            assert!(seconds <= at_most, "set back by {back} s: silent for {seconds} s");
        }
    }
}

/// L09 at every phase of the epoch: a process that starts while an index runs, early enough that the
/// rest of it would do for an epoch or too late, does not release that index but the next one.
#[test]
fn the_index_that_runs_at_a_start_is_not_released() {
    for phase in (0..EPOCH).step_by(usize::try_from(TICK).expect("small")) {
        let mut machine = Machine::new(1);
        machine.meet(Event::Run(EPOCH / 2 + phase));
        machine.meet(Event::Restart(1));
        let index = machine.clocks.index();
        machine.seconds_to_release(9 * EPOCH).expect("it releases again");
        assert_eq!(machine.course.released.last(), Some(&vec![index + 1]), "phase {phase} s");
    }
}

/// Game G6: a thousand restarts inside an epoch release nothing, and the next epoch once.
#[test]
fn a_thousand_restarts_get_no_release() {
    let mut machine = Machine::new(1);
    let index = machine.clocks.index();
    for _ in 0..1000 {
        machine.meet(Event::Restart(EPOCH / 2400));
        machine.tick();
    }
    assert!(machine.course.released.concat().is_empty() && machine.clocks.index() == index);
    machine.meet(Event::Run(3 * EPOCH / 2));
    assert_eq!(machine.course.released.concat(), [index + 1]);
}
