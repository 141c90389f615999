//! What `roster counts` tells: whether the sources work, in numbers; of those that follow connections as of the last
//! close. Holds nothing.

use super::protocol::{CountsReport, ReleasedReport, SkippedReport, SourceReport};
use super::reports::SCHEMA_VERSION;
use crate::engine::state::State;
use crate::environment::Environment;
use crate::roster::Source;

/// The report of this meter.
pub(super) fn report<E: Environment>(state: &State<E>) -> CountsReport {
    let counts = state.roster().counts();
    let health = state.health();
    let passed = |source: &Source| state.passed_over().told(*source);
    let shown = |source: &Source| health.sources.iter().find(|(word, _)| *word == source.word());
    let sources = Source::ALL.iter().zip(counts.sources);
    let sources = sources.filter(|(source, _)| !source.is_server() || shown(source).is_some());
    let sources = sources.map(|(source, figures)| SourceReport {
        source: source.word().to_owned(),
        prefixes: figures.prefixes,
        accounts: figures.accounts,
        up: shown(source).is_none_or(|(_, up)| *up),
        without_account: passed(source).nameless,
        latched: source.follows_connections(),
    });
    let skipped = Source::ALL.iter().flat_map(|source| {
        let reasons = passed(source).by_reason().into_iter().filter(|(_, count)| *count > 0);
        reasons.map(|(reason, count)| SkippedReport {
            source: source.word().to_owned(),
            reason: reason.to_owned(),
            count,
        })
    });
    CountsReport {
        schema_version: SCHEMA_VERSION,
        sources: sources.collect(),
        conflicts: counts.conflicts,
        skipped_lines: Source::ALL.iter().map(|source| passed(source).malformed).sum(),
        skipped: skipped.collect(),
        capacity: state.roster().capacity(),
        released: released(state),
    }
}

/// What is on the page already.
fn released<E: Environment>(state: &State<E>) -> Option<ReleasedReport> {
    let (release, noise) = state.released()?;
    let [attributed, unattributed] = noise.map(|stddev| u64::try_from(stddev).unwrap_or(u64::MAX));
    Some(ReleasedReport {
        epoch: release.ordinal(),
        attributed_bytes: release.up_bytes().saturating_add(release.down_bytes()),
        unattributed_bytes: release.unattributed_up_bytes().saturating_add(release.unattributed_down_bytes()),
        attributed_noise_stddev_bytes: attributed,
        unattributed_noise_stddev_bytes: unattributed,
    })
}
