"""Answers of all engines in one form, and whether they are right.

An answer is {(month, key ..., name of the count): number}. Months are texts like 2025-01, because
every engine prints its timestamps in its own way.
"""

import csv
import math
from typing import NamedTuple


class Verdict(NamedTuple):
    """Empty `wrong` means right. The errors are relative, of approximate answers."""

    wrong: str
    rms: float | None = None
    worst: float | None = None


def read_answer(path, question, way):
    """The answer in a CSV file that an engine has written."""
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        if way.name == "report":
            return read_report(rows, question)
        answer = {}
        for row in rows:
            key = (row["month"][:7], *(row[name] for name in question.keys))
            for name in question.values:
                if (*key, name) in answer:
                    raise ValueError(f"{key} stands twice in {path}")
                answer[*key, name] = int(row[name])
        return answer


def read_report(rows, question):
    answer = {}
    for row in rows:
        if row["level"] != question.level or row["users"] == "0":
            continue
        key = {"stage": row["stage"], "total": None, "action": row["metric"]}[question.level]
        answer.update(entry(row["period_start"], question, key, row["users"]))
    return answer


def truth(data, question):
    """What the generator counted while it made the data."""
    answer = {}
    with open(data / "truth/truth.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["plan"]:
                continue
            if row["level"] == question.level:
                key = row["key"] or None
                answer.update(entry(row["period_start"], question, key, row["users"]))
            if question.each_stage and row["level"] == "total":
                answer[row["period_start"][:7], "events"] = int(row["events"])
    return answer


def entry(day, question, key, users):
    """One number of a report or of the truth, which name actions by key paths."""
    if question.level == "action":
        key = key.rsplit(".", 1)[1]
        if key == "users_active":
            return {}
    if question.each_stage:
        return {(day[:7], f"users_{key}"): int(users)}
    return {(day[:7], *([key] if key else []), "users"): int(users)}


def check_same(answer, expected):
    """Exact answers agree row by row."""
    if answer == expected:
        return Verdict("")
    keys = [key for key in answer.keys() | expected.keys()
            if answer.get(key) != expected.get(key)]
    first = min(keys)
    return Verdict(f"{len(keys)} of {len(expected)} numbers differ, the first at {first}: "
                   f"{answer.get(first)} instead of {expected.get(first)}")


def check_near(answer, expected, way):
    """Approximate answers keep the error that they state: twice the standard error in the root
    mean square (the sets share people, so their errors go together), five times in the worst."""
    if answer.keys() != expected.keys():
        return Verdict(f"{len(answer)} groups instead of {len(expected)}")
    errors = {key: abs(answer[key] - number) / number for key, number in expected.items()}
    small = {key for key, number in expected.items() if number < 10_000 and way.small_error}
    large = [error for key, error in errors.items() if key not in small]
    rms = math.sqrt(sum(error * error for error in errors.values()) / len(errors))
    worst = max(errors.values())
    bounded = math.sqrt(sum(error * error for error in large) / len(large)) if large else 0.0
    beyond = [key for key, error in errors.items()
              if error > max(5 * way.error, way.small_error if key in small else 0.0)]
    if bounded > 2 * way.error or beyond:
        return Verdict(f"error {100 * rms:.2f} % (worst {100 * worst:.2f} %) beyond the stated "
                       f"{100 * way.error:.2f} %", rms, worst)
    return Verdict("", rms, worst)


class Checker:
    """Holds every answer to a question against the truth, or against the first where there is
    none."""

    def __init__(self, data, question):
        exact = truth(data, question) if question.level else None
        self.expected = {"exact": ("the generator's truth", exact), "sum": (None, None)}
        self.question = question

    def check(self, path, way):
        try:
            answer = read_answer(path, self.question, way)
        except (KeyError, ValueError) as error:
            return Verdict(f"unreadable answer: {error!r}")
        if way.kind == "approximate":
            return check_near(answer, self.expected["exact"][1], way)
        source, expected = self.expected[way.kind]
        if expected is None:
            self.expected[way.kind] = (way.label, answer)
            return Verdict("")
        verdict = check_same(answer, expected)
        return Verdict(f"{verdict.wrong} by {source}") if verdict.wrong else verdict
