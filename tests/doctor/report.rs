//! What `doctor --json` prints, as the contract has it.

use crate::daemon::command::{Outcome, repeats_nothing};
use serde_json::Value;

/// A report, and the exit code that came with it.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) json: Value,
    /// The whole of standard output.
    pub(crate) text: String,
}

impl Report {
    /// Reads what `doctor --json` printed: its form, the exit code that follows from it, and that
    /// nothing of the roster or the pools is in it.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let Outcome { code, stdout, stderr } = outcome;
        assert_eq!(stderr, "", "a report is no complaint: {stdout}");
        repeats_nothing(stdout);
        let json: Value = serde_json::from_str(stdout).expect("doctor prints JSON");
        let report = Self { code: code.expect("doctor ends in time"), json, text: stdout.clone() };
        assert_eq!(report.json["schema_version"], 1);
        let numbers: Vec<u64> = report.checks().iter().filter_map(|check| check["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=12).collect::<Vec<u64>>(), "all twelve, in order");
        for check in report.checks() {
            let is_ok = check["state"] == "ok";
            assert_eq!(check["remedy"].is_null(), is_ok, "a remedy where there is something to do: {check}");
            for line in [&check["what"], &check["remedy"]] {
                let line = line.as_str().unwrap_or("-");
                assert!(!line.is_empty() && !line.contains('\n'), "one line: {check}");
            }
        }
        let is_void = !report.in_state("void").is_empty();
        assert_eq!(report.json["void"], is_void);
        assert_eq!(report.code, if is_void { 3 } else { 0 }, "{stdout}");
        report
    }

    pub(crate) fn checks(&self) -> &Vec<Value> {
        self.json["checks"].as_array().expect("a list of checks")
    }

    /// The numbers of the checks that ended so.
    pub(crate) fn in_state(&self, state: &str) -> Vec<usize> {
        (1..=12).filter(|number| self.state(*number) == state).collect()
    }

    pub(crate) fn state(&self, number: usize) -> &str {
        self.checks()[number - 1]["state"].as_str().expect("a state")
    }

    /// The report without checks 2 and 4, which look at all processes of the machine: other tests
    /// start and end some.
    pub(crate) fn of_this_namespace(&self) -> Value {
        let mut json = self.json.clone();
        let checks = json["checks"].as_array_mut().expect("a list of checks");
        checks.retain(|check| check["number"] != 2 && check["number"] != 4);
        json.as_object_mut().expect("an object").remove("void");
        json
    }

    pub(crate) fn what(&self, number: usize) -> &str {
        self.checks()[number - 1]["what"].as_str().expect("a line")
    }
}
