#!/usr/bin/env python3
"""Makes one Markdown table of the reports that the targets of the harness left.

table.py FOLDER FORM TARGET:STATUS:SECONDS...

Ends with 2 when a run is invalid (no report, another form, a control that does not score), else with 1
when a figure is beyond its goal or a target failed, else with 0. tests/leakage/run calls it.
"""

import json
import pathlib
import sys


def number(value):
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4f}"


def figure(it):
    if it["low"] == it["high"]:
        return number(it["value"])
    return f"{number(it['value'])} [{number(it['low'])}, {number(it['high'])}]"


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def line(row):
    control = row["control"]
    if control is None:
        against = "none"
    else:
        against = f"{figure(control['figure'])} ({control['goal']}): {control['what']}"
        if not control["scores"]:
            against += "; DOES NOT SCORE"
    if control is not None and not control["scores"]:
        verdict = "INVALID"
    else:
        verdict = "pass" if row["passes"] else "FAIL"
    cells = [row["check"], row["goal"], figure(row["figure"]), against, verdict, row["note"]]
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def main(folder, form, ran):
    problems = {1: [], 2: []}
    rows, targets = [], []
    for entry in ran:
        target, status, seconds = entry.split(":")
        if status != "passed":
            problems[1].append(f"{target}: a test failed; see {folder}/{target}.log")
        try:
            report = json.loads((pathlib.Path(folder) / f"{target}.json").read_text())
        except (OSError, ValueError):
            problems[2].append(f"{target}: left no report")
            targets.append(f"{target} {seconds} s (no report)")
            continue
        if report["form"] != form:
            problems[2].append(f"{target}: reported the {report['form']} form")
        targets.append(f"{target} {seconds} s (seed {report['seed']})")
        for row in report["rows"]:
            rows.append(line(row))
            control = row["control"]
            if control is not None and not control["scores"]:
                problems[2].append(f"{target}: the control of \"{row['check']}\" does not score")
            elif not row["passes"]:
                problems[1].append(f"{target}: beyond the goal: {row['check']}")
    if not rows:
        problems[2].append("no figures at all")
    print(f"Leakage report, {form} form: {'; '.join(targets)}\n")
    print("| check | goal | blindmeter | the same attack on what leaks | verdict | how |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    print()
    for text in problems[2]:
        print(f"INVALID: {text}")
    for text in problems[1]:
        print(f"FAILED: {text}")
    if problems[2]:
        return 2
    print("Within the goals." if not problems[1] else "Not within the goals.")
    return 1 if problems[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
