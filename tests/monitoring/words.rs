//! What stands in rules, dashboards and documents: expressions, and the series and labels in them. Knows the shape of
//! the files that are delivered, not of any; a rule whose expression is not found is missing in a count elsewhere.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

/// The expressions of a file of rules: what stands behind `expr:`, or indented below `expr: |`.
pub(crate) fn expressions(rules: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut below: Option<usize> = None;
    for line in rules.lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(rest) = line.trim_start().strip_prefix("expr: ") {
            below = (rest == "|").then_some(indent);
            found.push(if rest == "|" { String::new() } else { rest.to_owned() });
        } else if below.is_some_and(|column| indent > column) {
            let last = found.last_mut().expect("it was begun");
            last.push_str(line.trim_start());
            last.push('\n');
        } else {
            below = None;
        }
    }
    found
}

fn named(rules: &str, key: &str) -> Vec<String> {
    let key = format!("- {key}: ");
    rules.lines().filter_map(|line| line.trim_start().strip_prefix(&key)).map(ToOwned::to_owned).collect()
}

pub(crate) fn records(rules: &str) -> Vec<String> {
    named(rules, "record")
}

pub(crate) fn alerts(rules: &str) -> Vec<String> {
    named(rules, "alert")
}

/// The queries of a dashboard, each with its panel's title.
pub(crate) fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (title.clone(), target["expr"].as_str().expect("an expression").to_owned()))
    });
    targets.collect()
}

/// The code blocks of a document in this language.
pub(crate) fn blocks(document: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    let behind = document.split(&open).skip(1);
    behind.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// The names of this product's series in an expression, recorded ones included.
pub(crate) fn series(expression: &str) -> Vec<String> {
    let name = Regex::new("blindmeter[a-z_:]*[_:][a-z_:]+").expect("a pattern");
    name.find_iter(expression).map(|found| found.as_str().to_owned()).collect()
}

/// The labels that an expression asks of a series, each with the series' name.
pub(crate) fn selectors(expression: &str) -> Vec<(String, String)> {
    let selector = Regex::new(r"([A-Za-z_:]+)\{([^}]*)\}").expect("a pattern");
    let label = Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#).expect("a pattern");
    let mut found = Vec::new();
    for captured in selector.captures_iter(expression) {
        let labels = label.captures_iter(&captured[2]);
        found.extend(labels.map(|of| (captured[1].to_owned(), of[1].to_owned())));
    }
    found
}

/// The series that the document of the metrics lists, with their labels.
pub(crate) fn documented(metrics: &str) -> BTreeMap<String, Vec<String>> {
    let row = Regex::new(r"(?m)^\| `(blindmeter_[a-z_]+)(?:\{([a-z,]+)\})?` \|").expect("a pattern");
    let labels = |list: &str| list.split(',').map(ToOwned::to_owned).collect();
    row.captures_iter(metrics)
        .map(|of| (of[1].to_owned(), of.get(2).map(|list| labels(list.as_str())).unwrap_or_default()))
        .collect()
}

#[test]
fn words_are_found() {
    let rules =
        "- record: a:b\n  expr: |\n    one(\n      two\n    )\n  labels: {}\n- alert: C\n  expr: three\n";
    assert_eq!(expressions(rules), ["one(\ntwo\n)\n", "three"]);
    assert_eq!((records(rules), alerts(rules)), (vec!["a:b".to_owned()], vec!["C".to_owned()]));
    let expression = "sum(blindmeter_epoch{job=\"a\",x!~\"b\"}) / blindmeter:week:sum > up{y = \"c\"}";
    assert_eq!(series(expression), ["blindmeter_epoch", "blindmeter:week:sum"]);
    let asked = [("blindmeter_epoch", "job"), ("blindmeter_epoch", "x"), ("up", "y")];
    assert_eq!(selectors(expression), asked.map(|(name, label)| (name.to_owned(), label.to_owned())));
    let table =
        documented("| `blindmeter_a` | x |\n| `blindmeter_b{c,d}` | y |\n| of `blindmeter_e` | z |\n");
    assert_eq!(table["blindmeter_b"], ["c", "d"]);
    assert_eq!(table.len(), 2);
    assert_eq!(blocks("a\n```promql\nb\n```\n```sh\nc\n```\n", "promql"), ["b\n"]);
}
