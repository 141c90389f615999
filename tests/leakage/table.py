#!/usr/bin/env python3
"""Makes one Markdown table of the reports that the targets of the harness left.

table.py FOLDER FORM TARGET:STATUS:SECONDS...

Every row goes into FOLDER/report.md. What is printed is the same table with two things folded: the
needles and times of one run, where all of them pass, and the planted leaks, where all are caught.

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


HEAD = """| check | goal | blindmeter | the same attack on what leaks | verdict | how |
|---|---|---|---|---|---|"""


def passed(row):
    return row["passes"] and row["control"] is None


def folded(rows):
    """The rows, with those that say the same of many places as one."""
    groups = {}
    for row in rows:
        run = row["check"].partition(": ")[0]
        # That all were caught is a row of its own.
        if run.startswith("planted ") and passed(row) and run != row["check"]:
            continue
        key = row["check"], row["goal"]
        of_one_run = run.startswith(("needles, ", "times of the load, "))
        if of_one_run and passed(row) and row["goal"] == "0":
            key = run, row["goal"]
        elif run.startswith("four bytes, ") and passed(row):
            key = run, "as many as of those never used, p >= 0.0001"
        groups.setdefault(key, []).append(row)
    for (check, goal), group in groups.items():
        most = max(group, key=lambda row: row["figure"]["value"])
        note = most["note"] if len(group) == 1 else f"the most of {len(group)} places"
        yield {**most, "check": check, "goal": goal, "note": note}


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
            rows.append(row)
            control = row["control"]
            if control is not None and not control["scores"]:
                problems[2].append(f"{target}: the control of \"{row['check']}\" does not score")
            elif not row["passes"]:
                problems[1].append(f"{target}: beyond the goal: {row['check']}")
    if not rows:
        problems[2].append("no figures at all")
    # How many of our own leaks are caught is what gives the rest its weight.
    rows.sort(key=lambda row: not row["check"].endswith(("that are caught", "that are found")))
    title = f"Leakage report, {form} form: {'; '.join(targets)}\n\n{HEAD}\n"
    end = "\n\n"
    end += "".join(f"INVALID: {text}\n" for text in problems[2])
    end += "".join(f"FAILED: {text}\n" for text in problems[1])
    if not problems[2]:
        end += "Within the goals.\n" if not problems[1] else "Not within the goals.\n"
    report = pathlib.Path(folder) / "report.md"
    report.write_text(title + "\n".join(map(line, rows)) + end)
    print(title + "\n".join(map(line, folded(rows))) + end)
    print(f"Every row: {report}")
    return 2 if problems[2] else int(bool(problems[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
