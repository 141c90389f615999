//! The report of an audit: questions, and below each the lines that answer it, with the command behind each line.
//!
//! Whatever the other parts say passes here before it is shown, so that no needle of the load gets into a report.
//! Holds no time and no date: whoever signs a report dates it.

use super::needles::Needles;
use crate::doctor::State;
use crate::inventory::RESIDUE;
use serde::Serialize;
use std::fmt::Write;

/// One answer.
pub(super) struct Line {
    pub(super) state: State,
    what: String,
    /// What shows the same without this program, or with one part of it.
    command: String,
    remedy: Option<String>,
}

impl Line {
    pub(super) fn ok(what: impl Into<String>, command: impl Into<String>) -> Self {
        Self::seen(State::Ok, what, command, None)
    }

    pub(super) fn note(
        what: impl Into<String>,
        command: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::seen(State::Note, what, command, Some(remedy.into()))
    }

    /// What could not be looked at; it is no pass.
    pub(super) fn unknown(
        what: impl Into<String>,
        command: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::seen(State::Unknown, what, command, Some(remedy.into()))
    }

    pub(super) fn void(
        what: impl Into<String>,
        command: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::seen(State::Void, what, command, Some(remedy.into()))
    }

    pub(super) fn seen(
        state: State,
        what: impl Into<String>,
        command: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self { state, what: what.into(), command: command.into(), remedy }
    }
}

/// A question of auditors, with its answers.
pub(super) struct Section {
    pub(super) question: &'static str,
    pub(super) lines: Vec<Line>,
}

/// The whole report, as JSON has it.
#[derive(Serialize)]
pub(super) struct Report {
    schema_version: u32,
    version: &'static str,
    commit: &'static str,
    profile: &'static str,
    /// How many lines are in each state.
    outcome: Outcome,
    sections: Vec<Shown>,
    /// The inventory: every datum, of the tap in use.
    data: Vec<Datum>,
    /// What no meter hides.
    not_hidden: [&'static str; RESIDUE.len()],
}

#[derive(Default, Serialize)]
pub(super) struct Outcome {
    ok: usize,
    note: usize,
    pub(super) unknown: usize,
    pub(super) void: usize,
}

#[derive(Serialize)]
struct Shown {
    number: usize,
    question: &'static str,
    lines: Vec<Answer>,
}

#[derive(Serialize)]
struct Answer {
    number: String,
    state: &'static str,
    what: String,
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Datum {
    pub(super) place: &'static str,
    pub(super) what: &'static str,
    pub(super) kept: &'static str,
    pub(super) seen_by: &'static str,
}

impl Report {
    /// The report of these sections, without a needle.
    pub(super) fn of(
        [version, commit, profile]: [&'static str; 3],
        sections: Vec<Section>,
        data: Vec<Datum>,
        needles: &Needles,
    ) -> Self {
        let mut outcome = Outcome::default();
        for line in sections.iter().flat_map(|section| &section.lines) {
            *match line.state {
                State::Ok => &mut outcome.ok,
                State::Note => &mut outcome.note,
                State::Unknown => &mut outcome.unknown,
                State::Void => &mut outcome.void,
            } += 1;
        }
        let shown = |(section, number): (Section, usize)| {
            let answer = |(line, place): (Line, usize)| Answer {
                number: format!("{number}.{place}"),
                state: line.state.as_str(),
                what: needles.without(&line.what),
                command: needles.without(&line.command),
                remedy: line.remedy.map(|remedy| needles.without(&remedy)),
            };
            let lines = section.lines.into_iter().zip(1..).map(answer).collect();
            Shown { number, question: section.question, lines }
        };
        Self {
            schema_version: 1,
            version,
            commit,
            profile,
            outcome,
            sections: sections.into_iter().zip(1..).map(shown).collect(),
            data,
            not_hidden: RESIDUE,
        }
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The outcome on one line.
    pub(super) fn summary(&self) -> String {
        let Outcome { ok, note, unknown, void } = self.outcome;
        format!("{ok} ok, {note} to note, {unknown} unknown, {void} void")
    }

    /// The report for people.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "# Audit of a blindmeter node\n\nMade by `blindmeter audit-kit` of version {}, commit {}, profile {}.\n",
            self.version, self.commit, self.profile
        );
        text.push_str(
            "A line is ok, to note, unknown or void: void says that the privacy claim does not hold here, and unknown \
             says that nobody looked, which is no pass.\nBelow each line stands the command that shows the same.\n\n",
        );
        // A String takes whatever is written to it.
        let _ = writeln!(text, "**Outcome: {}.**", self.summary());
        for section in &self.sections {
            let _ = writeln!(text, "\n## {}. {}\n", section.number, section.question);
            for Answer { number, state, what, command, remedy } in &section.lines {
                let _ = writeln!(text, "- **{number} {state}**: {what}\n  - shown by: `{command}`");
                if let Some(remedy) = remedy {
                    let _ = writeln!(text, "  - to do: {remedy}");
                }
            }
        }
        text.push_str("\n## Every datum that the program holds, keeps or shows\n\n| where | what | how long | who sees it |\n|---|---|---|---|\n");
        for Datum { place, what, kept, seen_by } in &self.data {
            let _ = writeln!(
                text,
                "| {} |",
                [place, what, kept, seen_by].map(|cell| cell.replace('|', "\\|")).join(" | ")
            );
        }
        text.push_str("\n## Not hidden\n\n");
        self.not_hidden.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
        text
    }
}
