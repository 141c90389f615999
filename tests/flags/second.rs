//! The formulas of docs/flags.md once more, written from that page alone: one account after the other, without
//! anything of the product. `histories.rs` holds the product to it.
#![expect(clippy::cast_possible_truncation, reason = "what is kept is single-precision, as the page says")]

/// Sums of an account: bytes and packets, up and down.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
}

/// The columns of the page's tables, by what is judged.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    Day,
    Hour,
    /// A tick of an hour, whose levels are of days.
    Tick,
}

pub(crate) const KINDS: [&str; 7] = ["heavy", "pktflood", "stall", "surge", "unusual", "updrift", "upload"];
const HEAVY: usize = 0;
const FLOOD: usize = 1;
const STALL: usize = 2;
const SURGE: usize = 3;
const UNUSUAL: usize = 4;
const DRIFT: usize = 5;
const UPLOAD: usize = 6;

/// One of the table's numbers: of days, and of hours in brackets.
fn of(rate: Rate, day: f64, hour: f64) -> f64 {
    if rate == Rate::Day { day } else { hour }
}

/// Features of an epoch, in single precision.
struct Features {
    /// U, r, q, v.
    four: [f32; 4],
    volume: f32,
    active: bool,
    sends: bool,
}

fn features(sums: Sums, rate: Rate) -> Features {
    let floor = of(rate, 1e6, 1e5);
    let [up, down, sent, answered] = [sums.up, sums.down, sums.sent, sums.answered].map(|count| count as f64);
    let total = (u128::from(sums.up) + u128::from(sums.down)).min(u128::from(u64::MAX)) as f64;
    Features {
        four: [
            up.max(floor / 10.0).ln() as f32,
            ((up + floor / 10.0) / (down + floor)).ln() as f32,
            ((answered + 5.0) / (sent + 5.0)).ln() as f32,
            ((up + 50.0) / (sent + 1.0)).ln() as f32,
        ],
        volume: total.max(floor).ln() as f32,
        active: total > floor,
        sends: sent >= of(rate, 300.0, 150.0),
    }
}

/// A flag of one kind.
#[derive(Clone, Copy, Default)]
struct Flag {
    /// Epochs since it was raised.
    since: Option<u32>,
    shown: bool,
    low: u32,
}

/// What is usual for an account.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) levels: [f32; 4],
    pub(crate) scales: [f32; 4],
    /// Slow, fast, scale.
    pub(crate) volume: [f32; 3],
    /// L, the mirror's, D and that of `unusual`.
    pub(crate) sums: [f64; 4],
    pub(crate) epochs: u32,
    pub(crate) sender_epochs: u32,
    since_crossing: Option<u32>,
    flags: [Flag; 7],
    pending: [bool; 3],
}

/// A node by the page.
pub(crate) struct Node {
    pub(crate) accounts: Vec<Account>,
    rate: Rate,
    sensitive: bool,
    crossings: f64,
    active_epochs: f64,
    near_stalls: f64,
    tick_interrupted: bool,
}

/// A raise: account, kind, score.
pub(crate) type Raise = (usize, &'static str, f64);

fn clip(value: f64, least: f64, most: f64) -> f64 {
    if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }
}

/// An epoch against what is usual.
struct Judged {
    sums: Sums,
    features: Features,
    rate: Rate,
    e: [f64; 4],
    z: [f64; 4],
    scales: [f64; 4],
}

impl Judged {
    /// What `stall` loses for packets that are too few, with so many more asked for.
    fn lost_by_few_packets(&self, more: f64) -> f64 {
        let [weight, enough] = [of(self.rate, 4.72, 3.5), of(self.rate, 9.2, 9.54) + more];
        weight * (enough - (self.sums.sent.max(1) as f64).ln()).max(0.0)
    }
}

impl Account {
    fn new() -> Self {
        Self {
            levels: [0.0; 4],
            scales: [0.7, 0.45, 0.4, 0.35],
            volume: [0.0, 0.0, 0.452],
            sums: [0.0; 4],
            epochs: 0,
            sender_epochs: 0,
            since_crossing: None,
            flags: [Flag::default(); 7],
            pending: [false; 3],
        }
    }

    pub(crate) fn shows(&self, kind: &str) -> bool {
        self.flags[KINDS.iter().position(|name| *name == kind).expect("a kind")].shown
    }

    /// `shift` is what a tick's bytes are below an epoch's.
    fn judge(&self, sums: Sums, judged_as: Rate, learned_as: Rate, shift: f32) -> Judged {
        let mut features = features(sums, judged_as);
        features.four[0] += shift;
        let [k, floors] = [[of(learned_as, 30.0, 97.4); 4], [0.25, 0.2, of(learned_as, 0.1, 0.098), 0.15]];
        let priors = [0.7_f32, 0.45, 0.4, 0.35];
        let (mut e, mut z, mut scales) = ([0.0; 4], [0.0; 4], [0.0; 4]);
        for at in 0..4 {
            let n = f64::from(if at == 2 { self.sender_epochs } else { self.epochs });
            let blended = (n * f64::from(self.scales[at]) + k[at] * f64::from(priors[at])) / (n + k[at]);
            scales[at] = blended.max(floors[at]);
            e[at] = if n == 0.0 { 0.0 } else { f64::from(features.four[at] - self.levels[at]) };
            z[at] = e[at] / (scales[at] * (1.0 + 1.0 / n.max(1.0)).sqrt());
        }
        Judged { sums, features, rate: judged_as, e, z, scales }
    }

    fn volume_scale(&self) -> f64 {
        let n = f64::from(self.epochs);
        ((n * f64::from(self.volume[2]) + 12.6 * 0.452) / (n + 12.6)).max(0.319)
    }

    fn is_known(&self, of: &Judged) -> bool {
        of.features.active && self.epochs >= 4
    }

    /// The score of `stall`.
    fn stall(&self, of: &Judged, more: f64) -> Option<f64> {
        let Judged { sums, rate, .. } = of;
        let (sent, answered) = (sums.sent as f64, sums.answered as f64);
        let quiet =
            of.features.sends && answered < sent / 4.0 && (sums.up as f64) < self::of(*rate, 1e9, 2e8);
        let off = of.lost_by_few_packets(more);
        if !quiet {
            None
        } else if self.sender_epochs >= 5 {
            Some(-of.e[2] - off)
        } else {
            (answered < 0.03 * sent).then(|| 0.55 - f64::from(of.features.four[2]) - off)
        }
    }

    fn flood(&self, of: &Judged) -> Option<f64> {
        let Judged { sums, rate, e, .. } = of;
        let (up, sent, answered) = (sums.up as f64, sums.sent as f64, sums.answered as f64);
        if !of.features.active {
            return None;
        }
        if self.sender_epochs < 4 {
            let is = sent >= self::of(*rate, 1e7, 2e6) && answered <= 0.3 * sent && up < 120.0 * sent;
            return is.then_some(20.0);
        }
        let restless = if *rate == Rate::Hour { 0.0 } else { 2.0 * (of.scales[2] - 0.15).max(0.0) };
        let a = -e[2] - restless;
        let small = answered <= 0.5 * sent && up < 200.0 * sent;
        let smaller = answered <= 0.75 * sent && up < 500.0 * sent && e[3] <= -0.3;
        (sent >= self::of(*rate, 1e6, 2e5) && a >= 0.3 && (small || smaller)).then(|| {
            0.446 * clip(e[0] - e[3], -1.0, self::of(*rate, 1.07, 1.06))
                + self::of(*rate, 0.381, 0.449) * clip(-e[3], -1.0, 1.5)
                + 9.41 * clip(a, -1.0, 3.0)
        })
    }

    /// `g`, and `-z_q` within its limits where it counts.
    fn raised_upload(&self, of: &Judged) -> [f64; 2] {
        let [bytes, ratio] = [self::of(of.rate, 0.167, 0.0667), self::of(of.rate, 1.91, 1.96)];
        let g = bytes * clip(of.z[0], -2.0, 5.0) + ratio * clip(of.z[1], -2.0, 6.0);
        [g, if self.sender_epochs >= 4 { clip(-of.z[2], -3.0, 4.0) } else { 0.0 }]
    }

    fn upload(&self, of: &Judged) -> Option<f64> {
        let least = match of.rate {
            Rate::Day => 2e9,
            Rate::Hour => 2.32e7,
            Rate::Tick => 1e8,
        };
        let [g, answers] = self.raised_upload(of);
        let is = self.is_known(of) && of.sums.up as f64 >= least && of.z[0] > 0.0 && of.z[1] > 0.0;
        is.then(|| g + self::of(of.rate, 0.0, 0.172) * answers)
    }

    fn drift(&self, of: &Judged) -> f64 {
        let [g, answers] = self.raised_upload(of);
        let [answers_weight, size_weight] = [self::of(of.rate, 0.0, 0.315), self::of(of.rate, 0.0, 0.563)];
        let today = g + answers_weight * answers + size_weight * clip(of.z[3], -2.0, 3.0);
        let kept = faded(self.sums[2], if of.rate == Rate::Day { 0.595 } else { 0.727 });
        clip(kept + today.min(self::of(of.rate, 8.0, 4.88)) - self::of(of.rate, 5.17, 1.13), 0.0, 31.0)
    }

    fn surge(&self, of: &Judged, sum: f64, above: f32) -> f64 {
        let n = f64::from(self.epochs).max(1.0);
        let scale = self.volume_scale() * (1.0 + 4.9 / n) + 0.257;
        let l = clip(f64::from(above.min(2.02) - 1.26) / scale, -3.0, 1.45);
        // At hours the sum is kept without what is taken off for another kind; nothing is made of it.
        let weight = self::of(of.rate, 0.5, 0.0);
        faded(sum, 0.68) + l - weight * (of.z[1].abs() - 1.2).max(0.0)
    }

    fn unlike(&self, of: &Judged) -> f64 {
        let above = |z: f64| clip(z - 3.0, 0.0, 4.0);
        let answers = if self.sender_epochs >= 5 { 2.0 * above(of.z[2].abs()) } else { 0.0 };
        above(of.z[0]) + above(of.z[1]) + above(-of.z[3]) + answers
    }

    fn learn(&mut self, of: &Judged) {
        let slower = if of.rate == Rate::Hour && self.sums[2] > 10.5 { 0.237 } else { 1.0 };
        let [a, b] = [self::of(of.rate, 0.0282, 0.0106), self::of(of.rate, 0.0103, 0.002_87)];
        for at in 0..4 {
            if at == 2 && !of.features.sends {
                continue;
            }
            let n = f64::from(if at == 2 { self.sender_epochs } else { self.epochs });
            let c = of.scales[at];
            let level = if n == 0.0 { of.features.four[at] } else { self.levels[at] };
            let step = a.max(1.0 / (n + 1.0)) * slower * clip(of.e[at], -2.5 * c, 2.5 * c);
            self.levels[at] = (f64::from(level) + step) as f32;
            self.scales[at] = followed(self.scales[at], b.max(1.0 / (n + 4.0)), of.e[at], c);
        }
        let n = f64::from(self.epochs);
        let t = of.features.volume;
        let [slow, fast, scale] = self.volume;
        let (slow, fast) = if n == 0.0 { (t, t) } else { (slow, fast) };
        let c = self.volume_scale();
        let (e, beside) = (f64::from(t - slow), f64::from(t - fast));
        let moved = |level: f32, rate: f64, e: f64| {
            (f64::from(level) + rate.max(1.0 / (n + 1.0)) * clip(e, -2.5 * c, 2.5 * c)) as f32
        };
        let rate = 0.009_18_f64.max(1.0 / (n + 4.0));
        self.volume = [moved(slow, 0.0236, e), moved(fast, 0.276, beside), followed(scale, rate, e, c)];
        self.epochs = (self.epochs + 1).min(250);
        self.sender_epochs = (self.sender_epochs + u32::from(of.features.sends)).min(250);
    }
}

/// What is left of a sum an epoch later, in single precision.
fn faded(sum: f64, keep: f32) -> f64 {
    f64::from(sum as f32 * keep)
}

fn followed(scale: f32, rate: f64, e: f64, c: f64) -> f32 {
    (f64::from(scale) + rate * (1.2533 * e.abs().min(3.0 * c) - f64::from(scale))) as f32
}

/// In steps of 1/1024 from 0 to 31.
fn kept(sum: f64) -> f64 {
    (clip(sum, 0.0, 31.0) * 1024.0).round_ties_even() / 1024.0
}

impl Node {
    pub(crate) fn new(accounts: usize, rate: Rate, sensitive: bool) -> Self {
        let (crossings, active_epochs, near_stalls) = (0.0, 0.0, 0.0);
        let accounts = vec![Account::new(); accounts];
        Self { accounts, rate, sensitive, crossings, active_epochs, near_stalls, tick_interrupted: false }
    }

    fn preset(&self, strict: f64, sensitive: f64, hour: f64) -> f64 {
        match (self.rate, self.sensitive) {
            (Rate::Hour, _) => hour,
            (_, true) => sensitive,
            (_, false) => strict,
        }
    }

    fn lift(&self) -> f64 {
        if self.rate == Rate::Hour {
            return 0.0;
        }
        let rate = (self.near_stalls + 4000.0 * 0.0002) / (self.active_epochs + 4000.0);
        clip(0.3 * (rate / 0.0002).ln(), 0.0, 0.8)
    }

    fn surge_threshold(&self) -> f64 {
        let [t, p, budget] =
            if self.sensitive { [1.04, 0.002_46, 0.0015] } else { [1.22, 0.001_14, 0.000_45] };
        let rate = (self.crossings + 6000.0 * p) / (self.active_epochs + 6000.0);
        clip(0.8 * t + (rate / budget).ln() / 3.0, t, 2.0 * t)
    }

    fn interrupted(sums: &[Sums], rate: Rate) -> bool {
        let senders: Vec<&Sums> = sums.iter().filter(|sums| features(**sums, rate).sends).collect();
        let is_sick =
            |sums: &&&Sums| (sums.answered as f64) < 0.05 * sums.sent as f64 && sums.sent < 1_000_000;
        let sick = senders.iter().filter(is_sick).count();
        senders.len() >= 8 && sick >= 5 && 4 * sick > senders.len()
    }

    /// A tick of a day ends.
    pub(crate) fn tick(&mut self, sums: &[Sums]) {
        self.tick_interrupted |= Self::interrupted(sums, Rate::Tick);
        let [stall, flood, upload] = if self.sensitive { [0.66, 4.09, 10.5] } else { [1.0, 5.0, 11.5] };
        let lift = self.lift();
        for (account, sums) in self.accounts.iter_mut().zip(sums) {
            let of = account.judge(*sums, Rate::Tick, Rate::Day, 24.0_f64.ln() as f32);
            let lifted = account.stall(&of, lift);
            let reaches =
                [lifted.map(|score| score >= stall), account.flood(&of).map(|score| score >= flood)];
            let uploads = account.upload(&of).is_some_and(|score| score >= upload);
            let shown = [reaches[0] == Some(true), reaches[1] == Some(true), uploads];
            account.pending.iter_mut().zip(shown).for_each(|(pending, shown)| *pending |= shown);
        }
    }

    /// An epoch ends. Gives what is raised.
    pub(crate) fn close(&mut self, sums: &[Sums]) -> Vec<Raise> {
        let (rate, pause) = (self.rate, if self.rate == Rate::Hour { 24 } else { 7 });
        let interrupted = std::mem::take(&mut self.tick_interrupted) || Self::interrupted(sums, rate);
        let (lift, theta, crowd) = (self.lift(), self.surge_threshold(), self.crowd());
        let thresholds = [
            Some(3.5),
            Some(self.preset(5.74, 5.42, 4.09)),
            Some(self.preset(1.82, 1.22, 0.66)),
            (rate == Rate::Day).then_some(1.0),
            (rate == Rate::Day).then(|| self.preset(5.05, 3.18, 0.0)),
            Some(self.preset(4.34, 2.77, 13.2)),
            Some(self.preset(8.68, 7.65, 10.5)),
        ];
        let (t, mut raises) = (if self.sensitive { 1.04 } else { 1.22 }, Vec::new());
        for (at, account) in self.accounts.iter_mut().enumerate() {
            let of = account.judge(sums[at], rate, rate, 0.0);
            self.active_epochs += f64::from(u8::from(of.features.active));
            account.since_crossing = account.since_crossing.map(|since| since + 1);
            account.flags.iter_mut().for_each(|flag| flag.since = flag.since.map(|since| since + 1));
            let pending = std::mem::take(&mut account.pending);
            if interrupted {
                continue;
            }
            let known = account.is_known(&of);
            let volume = sums[at].up.saturating_add(sums[at].down) as f64;
            let (stall, threshold) = (account.stall(&of, 0.0), thresholds[STALL].unwrap_or_default());
            let nearly = account.stall(&of, -0.6).is_some_and(|score| score >= threshold);
            self.near_stalls += f64::from(u8::from(nearly && stall.is_some_and(|score| score < threshold)));
            let [slow, fast] = match account.epochs {
                0 => [of.features.volume; 2],
                _ => [account.volume[0], account.volume[1]],
            };
            let up = account.surge(&of, account.sums[0], of.features.volume - slow.max(fast - 0.919));
            let unlike = account.unlike(&of);
            let unusual = faded(account.sums[3], 0.7) + unlike;
            let drift = account.drift(&of);
            let mut scores = [None; 7];
            scores[HEAVY] = crowd
                .filter(|_| of.features.active && account.epochs >= 14)
                .map(|(median, deviation)| f64::from(account.volume[0] - median) / deviation);
            scores[FLOOD] = account.flood(&of);
            scores[STALL] = stall;
            let mut thresholds = thresholds;
            thresholds[STALL] = Some(threshold + of.lost_by_few_packets(lift) - of.lost_by_few_packets(0.0));
            scores[SURGE] = (known && volume >= 2.13e8).then_some(up / theta);
            scores[UNUSUAL] = (known && volume >= 2.13e8 / 3.0 && unlike >= 2.0).then(|| kept(unusual));
            let drift_bytes = self::of(rate, 5e8, 2.32e7);
            scores[DRIFT] =
                (known && sums[at].up as f64 >= drift_bytes && kept(drift) > 0.0).then(|| kept(drift));
            scores[UPLOAD] = account.upload(&of);
            let awake = of.features.active || of.features.sends || pending.contains(&true);
            for kind in [STALL, FLOOD, UPLOAD, DRIFT, SURGE, HEAVY, UNUSUAL] {
                let Some(threshold) = thresholds[kind] else { continue };
                let shown_by_tick = match kind {
                    STALL => pending[0],
                    FLOOD => pending[1],
                    UPLOAD => pending[2],
                    _ => false,
                };
                if shown_by_tick {
                    scores[kind] = Some(scores[kind].unwrap_or(threshold).max(threshold));
                }
                let others = account.flags.iter().enumerate().filter(|(kind, _)| *kind != HEAVY);
                let quiet = others.filter_map(|(_, flag)| flag.since).min();
                let may = match kind {
                    UNUSUAL => quiet.is_none_or(|since| since > 2 * pause),
                    _ => account.flags[kind].since.is_none_or(|since| since >= pause),
                };
                let flag = &mut account.flags[kind];
                match scores[kind] {
                    Some(score) if score >= threshold && may => {
                        *flag = Flag { since: Some(0), shown: true, low: 0 };
                        raises.push((at, KINDS[kind], score));
                    }
                    score if awake && flag.shown => {
                        let low = score.is_none_or(|score| score < 0.6 * threshold);
                        flag.low = if low { flag.low + 1 } else { 0 };
                        flag.shown = flag.low < 2 || flag.since.is_some_and(|since| since < 7);
                    }
                    _ => {}
                }
            }
            if known {
                [account.sums[0], account.sums[2], account.sums[3]] = [kept(up), kept(drift), kept(unusual)];
            }
            let answered = sums[at].answered as f64 >= 0.25 * sums[at].sent as f64;
            if rate == Rate::Day && known && answered {
                let down = account.surge(&of, account.sums[1], slow.min(fast + 0.919) - of.features.volume);
                account.sums[1] = kept(down);
                let high = f64::from(account.volume[0]) > 2.13e8_f64.ln();
                if high && down >= 0.8 * t && account.since_crossing.is_none_or(|since| since >= 7) {
                    account.since_crossing = Some(0);
                    self.crossings += 1.0;
                }
            }
            if of.features.active {
                account.learn(&of);
            }
        }
        raises
    }

    /// Median and deviation of the usual volumes.
    fn crowd(&self) -> Option<(f32, f64)> {
        let known = self.accounts.iter().filter(|account| account.epochs > 0);
        let mut levels: Vec<f32> = known.map(|account| account.volume[0]).collect();
        if levels.len() < 20 {
            return None;
        }
        let median = upper_median(&mut levels);
        levels.iter_mut().for_each(|level| *level = (*level - median).abs());
        Some((median, (1.4826 * f64::from(upper_median(&mut levels))).max(0.2)))
    }
}

fn upper_median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}
