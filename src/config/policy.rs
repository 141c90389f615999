//! Turns the tables that affect privacy into a [`Policy`], or names the line of the value out of range.

use super::quantity::{Bytes, Seconds};
use super::{ConfigError, Document, raw};
use crate::meter::budget::Epsilon;
use crate::meter::policy::{CLAMP_CEILING, Flagging, Mode, Noise, Policy, PolicyError, Preset, Profile};
use crate::meter::scope::{FEWEST_NODES, LARGEST_BYTES, MOST_NODES, MOST_NODES_A_DAY, Scope, Terms};
use std::ops::Range;
use toml::Spanned;

/// What a share of accounts may be.
const MASS_EVENT_SHARE: &str = "irregularity.mass_event_share: expected a share above 0 and at most 1 with at most six places, like 0.02";

/// How many nodes an account is taken to use in a day, where nothing is said.
const NODES_A_DAY: u16 = 2;

impl Document<'_> {
    pub(super) fn policy(&self, file: &raw::File) -> Result<Policy, ConfigError> {
        let default = Policy::DEFAULT;
        let seconds = |value: &Option<Spanned<Seconds>>, default: u64| {
            value.as_ref().map_or(default, |value| value.as_ref().0)
        };
        let release = &file.release;
        let policy = Policy {
            epoch_seconds: seconds(&file.epoch.length, default.epoch_seconds),
            crowd: release.crowd.as_ref().map_or(default.crowd, |crowd| *crowd.as_ref()),
            link_bits_per_second: release
                .link_capacity
                .as_ref()
                .map_or(default.link_bits_per_second, |rate| rate.as_ref().0),
            refresh_seconds: seconds(&file.support.refresh, default.refresh_seconds),
            period_seconds: seconds(&file.store.period, default.period_seconds),
            mode: self.mode(release)?,
            scope: self.scope(file)?,
            flags: self.flags(&file.irregularity, seconds(&file.epoch.length, default.epoch_seconds))?,
            ..default
        };
        policy.checked().map_err(|error| self.out_of_range(error, file))
    }

    /// Ignores the keys of noisy mode in coarse mode.
    fn mode(&self, release: &raw::Release) -> Result<Mode, ConfigError> {
        match &release.mode {
            Some(mode) if mode.as_ref() == "coarse" => return Ok(Mode::Coarse),
            Some(mode) if mode.as_ref() != "noisy" => {
                return Err(self.at(mode, "release.mode: expected \"noisy\" or \"coarse\""));
            }
            _ => {}
        }
        let Mode::Noisy(default) = Policy::DEFAULT.mode else { return Ok(Policy::DEFAULT.mode) };
        let epsilon = match &release.epsilon {
            None => default.epsilon,
            // From the text: a floating-point number does not hold exactly what was written.
            Some(epsilon) => self.0.get(epsilon.span()).and_then(Epsilon::of_decimal).ok_or_else(|| {
                let what = "release.epsilon: expected a decimal above 0 with at most nine places, like 0.5";
                self.at(epsilon, what)
            })?,
        };
        let clamp_bytes = release.clamp.as_ref().map_or(default.clamp_bytes, |clamp| clamp.as_ref().0);
        Ok(Mode::Noisy(Noise { epsilon, clamp_bytes }))
    }

    /// Over what is released. A fleet's totals need two clusters: one alone would add up what nodes tell it with only
    /// their parts of the noise.
    fn scope(&self, file: &raw::File) -> Result<Scope, ConfigError> {
        let Some(scope) = &file.release.scope else { return Ok(Scope::Node) };
        match scope.as_ref().as_str() {
            "node" => return Ok(Scope::Node),
            "fleet" => {}
            _ => return Err(self.at(scope, "release.scope: expected \"node\" or \"fleet\"")),
        }
        let Some(fleet) = file.fleet.as_ref().filter(|fleet| fleet.cluster.as_ref().len() == 2) else {
            let what = "release.scope: \"fleet\" needs a [fleet] with two [[fleet.cluster]]s, of which neither learns what a \
                        node sends; add them, or say \"node\"";
            return Err(self.at(scope, what));
        };
        let Some(nodes) = &fleet.nodes else {
            let what = "release.scope: \"fleet\" needs [fleet] nodes, the smallest number of nodes whose totals are added up, \
                        such as all nodes but those that may be away for a day";
            return Err(self.at(scope, what));
        };
        let nodes_a_day = fleet.nodes_a_day.as_ref().map_or(NODES_A_DAY, |nodes| *nodes.as_ref());
        Ok(Scope::Fleet(Terms { nodes: *nodes.as_ref(), nodes_a_day }))
    }

    /// How flags are raised. Values are checked where flags are off, too.
    fn flags(&self, table: &raw::Irregularity, epoch_seconds: u64) -> Result<Option<Flagging>, ConfigError> {
        let preset = match &table.preset {
            None => Flagging::DEFAULT.preset,
            Some(preset) => {
                let known = [Preset::Strict, Preset::Sensitive];
                let found = known.into_iter().find(|known| known.as_str() == preset.as_ref());
                let what = "irregularity.preset: expected \"strict\" or \"sensitive\"";
                found.ok_or_else(|| self.at(preset, what))?
            }
        };
        let tick_nanoseconds = match &table.tick {
            None => Flagging::tick_of(epoch_seconds),
            Some(tick) => tick.as_ref().0.saturating_mul(1_000_000_000),
        };
        let mass_event_millionths = match &table.mass_event_share {
            None => Flagging::DEFAULT.mass_event_millionths,
            // From the text, as epsilon.
            Some(share) => self
                .0
                .get(share.span())
                .and_then(Epsilon::of_decimal)
                .filter(|share| share.billionths().is_multiple_of(1000))
                .and_then(|share| u32::try_from(share.billionths() / 1000).ok())
                .filter(|millionths| *millionths <= 1_000_000)
                .ok_or_else(|| self.at(share, MASS_EVENT_SHARE))?,
        };
        let flags = Flagging { preset, tick_nanoseconds, mass_event_millionths };
        Ok(table.enabled.unwrap_or(true).then_some(flags))
    }

    fn out_of_range(&self, error: PolicyError, file: &raw::File) -> ConfigError {
        let floors = Profile::BUILT.floors();
        let release = &file.release;
        let (span, what) = match error {
            PolicyError::Epoch => (
                span(&file.epoch.length),
                format!("epoch.length: the compiled-in floor is {}; raise it", Seconds(floors.epoch_seconds)),
            ),
            PolicyError::Crowd => (
                span(&release.crowd),
                format!("release.crowd: the compiled-in floor is {}; raise it", floors.crowd),
            ),
            PolicyError::Refresh => (
                span(&file.support.refresh),
                format!(
                    "support.refresh: the compiled-in floor is {}; raise it",
                    Seconds(floors.refresh_seconds)
                ),
            ),
            PolicyError::Period => (
                span(&file.store.period),
                format!(
                    "store.period: expected at least one epoch, and at most the compiled-in ceiling of {}",
                    Seconds(floors.period_ceiling_seconds)
                ),
            ),
            PolicyError::Link => {
                (span(&release.link_capacity), "release.link_capacity: must be above 0".into())
            }
            PolicyError::Epsilon => (
                span(&release.epsilon),
                format!(
                    "release.epsilon: the compiled-in ceiling is {}; lower it",
                    floors.epsilon_ceiling.decimal()
                ),
            ),
            PolicyError::Clamp => {
                (span(&release.clamp), format!("release.clamp: expected 1B to {}", Bytes(CLAMP_CEILING)))
            }
            PolicyError::Noise => (
                span(&release.epsilon).or(span(&release.clamp)),
                "release.epsilon: with this release.clamp and epoch.length, the noise would exceed what a \
                 total can hold; raise it, or lower release.clamp"
                    .into(),
            ),
            PolicyError::Tick => (
                span(&file.irregularity.tick),
                format!(
                    "irregularity.tick: the compiled-in floor is {}; raise it",
                    Seconds(floors.tick_nanoseconds.div_ceil(1_000_000_000))
                ),
            ),
            PolicyError::FleetMode => (
                span(&release.mode),
                "release.mode: totals of a fleet are \"noisy\"; a \"coarse\" mode is of single nodes".into(),
            ),
            PolicyError::Nodes => (
                file.fleet.as_ref().and_then(|fleet| span(&fleet.nodes)),
                format!("fleet.nodes: expected {FEWEST_NODES} to {MOST_NODES}"),
            ),
            PolicyError::NodesADay => (
                file.fleet.as_ref().and_then(|fleet| span(&fleet.nodes_a_day)),
                format!("fleet.nodes_a_day: expected 1 to fleet.nodes, and at most {MOST_NODES_A_DAY}"),
            ),
            PolicyError::FleetLink => (
                span(&release.link_capacity).or(span(&file.epoch.length)),
                format!(
                    "release.link_capacity: a node adds at most {} to a fleet's epoch, less than this link carries in \
                     one; shorten epoch.length",
                    Bytes(LARGEST_BYTES)
                ),
            ),
            PolicyError::MassEvent => (span(&file.irregularity.mass_event_share), MASS_EVENT_SHARE.into()),
        };
        self.error(span.unwrap_or(0..0), what)
    }
}

fn span<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
    value.as_ref().map(Spanned::span)
}
