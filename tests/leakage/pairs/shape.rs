//! How a plan divides its time into cells, found by living through it without traffic; and whether the
//! closes came when closes may come: rules L09 and L10 of the design, in words of their own.
//!
//! Were the cells taken from the closes unseen, a node that closes early would be believed.

use crate::plan::{LOOK_SECONDS, Plan};
use crate::traffic::{Cell, Placed, Shape};
use crate::world::World;

/// A close that happened.
#[derive(Clone, Copy)]
struct Close {
    ordinal: u64,
    boot_seconds: u64,
}

/// What is known of the closes so far.
#[derive(Default)]
struct Closes {
    /// Those in force, since the last start that knew nothing.
    in_force: Vec<Close>,
    /// Boot clock of that start, or of the first start of a later boot.
    begun_seconds: u64,
    /// The index that ran at that start: it is never released.
    barred: u64,
    /// The ordinal that the page shows.
    served: u64,
    boot_seconds: u64,
    /// Which boot it counts.
    boot: u64,
    /// Boot clock when the boot before ended, until a start tells what was closed then.
    ended_seconds: Option<u64>,
}

/// Lives through the plan without traffic, and finds the cells of its time.
///
/// # Errors
/// A close that came too early, or with an ordinal that was used.
pub(crate) async fn shape(plan: &Plan) -> Result<Shape, String> {
    let deeds = vec![Vec::new(); plan.looks];
    let mut world = World::new(plan, Placed { deeds, packets: Vec::new() });
    let boot = world.machine.environment.clocks.boots().0;
    let (mut shape, mut closes) = (Shape::default(), Closes { boot, ..Closes::default() });
    let mut cuts = vec![0, plan.looks];
    let mut journal = Vec::new();
    for look in 0..plan.looks {
        world.live(look).await;
        let clocks = &world.machine.environment.clocks;
        let (now, began) = (clocks.boot_seconds(), world.began);
        let (boot, ended_seconds) = clocks.boots();
        if boot != closes.boot {
            // Nothing is closed between two boots without a start.
            closes.ended_seconds.get_or_insert(ended_seconds);
        }
        (closes.boot, closes.boot_seconds) = (boot, now);
        if began.forgot {
            cuts.push(look);
            let index = clocks.wall_seconds().saturating_sub(LOOK_SECONDS) / plan.setup.epoch_seconds;
            closes.begin(now.saturating_sub(LOOK_SECONDS), index);
        } else if began.started
            && let Some(ordinal) = closes.resume(began.last, plan.setup.epoch_seconds)?
        {
            // Its process, or its machine, ended in the middle of saving it.
            cuts.push(look);
            shape.closes.push((look.saturating_sub(1), ordinal));
        }
        shape.available.push(began.runs);
        if world.machine.runs()
            && let Some(ordinal) = closes.observe(world.last_ordinal(), plan.setup.epoch_seconds)?
        {
            cuts.push(look + 1);
            shape.closes.push((look, ordinal));
        }
        if world.machine.runs() {
            closes.served = world.machine.engine().state.node().released().ordinal();
        }
        // They save, in every world alike.
        world.exports(look).await;
        journal.clear();
        world.machine.environment.disk.take_journal(&mut journal);
        if plan.loses_power() && !journal.is_empty() {
            cuts.extend([look, look + 1]);
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    shape.cells = cuts.windows(2).map(|pair| Cell { from: pair[0], until: pair[1] }).collect();
    Ok(shape)
}

impl Closes {
    /// A start that knows nothing, at an index that runs.
    fn begin(&mut self, seconds: u64, index: u64) {
        self.in_force.clear();
        self.ended_seconds = None;
        self.served = 0;
        self.begun_seconds = seconds;
        self.barred = index;
    }

    /// Takes note of the last ordinal that a start knows. What was closed at the end of another boot
    /// waited by that boot's clock; clocks of different boots cannot be compared, so waits begin anew.
    fn resume(&mut self, last: u64, epoch_seconds: u64) -> Result<Option<u64>, String> {
        let Some(ended) = self.ended_seconds.take() else { return self.observe(last, epoch_seconds) };
        let now = std::mem::replace(&mut self.boot_seconds, ended);
        let observed = self.observe(last, epoch_seconds);
        self.boot_seconds = now;
        self.begun_seconds = 0;
        self.in_force.iter_mut().for_each(|close| close.boot_seconds = 0);
        observed
    }

    /// Takes note of the last ordinal that the node says was used.
    fn observe(&mut self, last: u64, epoch_seconds: u64) -> Result<Option<u64>, String> {
        if last < self.served {
            return Err(format!("epoch {} was served, and {last} is the last that is known", self.served));
        }
        // A close that was not saved before a kill has not happened; it is made up for.
        self.in_force.retain(|close| close.ordinal <= last);
        let before = self.in_force.last().map_or(self.barred, |close| close.ordinal);
        if last == before {
            return Ok(None);
        }
        if last < before {
            return Err(format!("the last ordinal is {last}, and {before} was used or barred"));
        }
        let mark = self.in_force.last().map_or(self.begun_seconds, |close| close.boot_seconds);
        let passed = self.boot_seconds.saturating_sub(mark);
        if passed * 10 < epoch_seconds * 9 {
            return Err(format!("epoch {last} was closed {passed} s after the close or start before it"));
        }
        self.in_force.push(Close { ordinal: last, boot_seconds: self.boot_seconds });
        Ok(Some(last))
    }
}
