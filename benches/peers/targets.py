"""Compares the measured ratios with the targets in targets.csv."""

import csv

# What a target can ask, and the column of the tables that holds it.
MEASURES = {"time": "median_s", "memory": "peak_mb", "size": "size_mb"}


def read_targets(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def rivals(target, rows):
    """The lines that a target compares with: one by name, or the peers of a kind."""
    wanted = target["against"]
    if not wanted.startswith("best "):
        return [row for row in rows if row["line"] == wanted]
    kind = wanted.removeprefix("best ")
    return [row for row in rows
            if row["kind"] == kind and not row["line"].startswith("headcount")]


def compare(targets, rows):
    """For each target of the questions in `rows`: the measured ratio, and whether it is met. The
    best of a kind is the fastest for the time and the smallest for the memory."""
    results = []
    for target in targets:
        here = [row for row in rows if row["question"] == target["question"]]
        own = [row for row in here if row["line"] == target["line"]]
        for what, column in MEASURES.items():
            asked = target[f"{what}_ratio"]
            if not asked or not here:
                continue
            mine = numbers(own, column)
            others = numbers(rivals(target, here), column)
            result = {key: target[key] for key in ["question", "line", "against"]}
            result |= {"what": what, "asked": asked, "measured": "", "result": "not measured"}
            if mine and others:
                value = mine[0] / min(others)
                result["measured"] = f"{value:.3f}"
                result["result"] = "met" if value <= float(asked) else "missed"
            results.append(result)
    return results


def numbers(rows, column):
    """The measured values. A zero is left out: the time was too short to measure."""
    return [float(row[column]) for row in rows if row[column] and float(row[column]) > 0]
