"""ping_report.py PROGRAM FIRST_SEED SEEDS: `headcount report` over random fleets, recounted.

The fleets are those of pings.py, with a tree of stages, flagged metrics and, for most seeds, events. The
rows of several questions are recounted with plain loops over the values of single pings and the users of
single events, and compared with those that PROGRAM prints. Standard library only.
"""

import csv
import io
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import pings

# Group and flags of the metrics; `top` belongs to no group.
OWNERS = {"monthly.plan.users": ("issues", ["smau", "gmau", "umau"]), "monthly.plan.guests": ("boards", ["gmau"]),
          "monthly.create": ("code", ["smau"]), "counts.issues": ("issues", []),
          "counts.runners": ("code", ["smau", "gmau"]), "counts.events": ("code", ["umau"]), "top": (None, ["smau"])}
TREE = {"plan": ("dev", ["issues", "boards"]), "create": ("ops", ["code"])}
STAGE_OF = {group: (section, stage) for stage, (section, groups) in TREE.items() for group in groups}
EVENTS = {"monthly.plan.users": "opened", "monthly.plan.guests": "invited", "monthly.create": "pushed",
          "counts.runners": "ran"}
# Stands for an unknown number.
TOO_LARGE = 2**70
DIMENSIONS = ["deployment", "edition", "tier", "version", "installation"]
MONTHS = ["2025-11", "2025-12", "2026-01", "2026-02"]


def make(rng, folder):
    """Writes a project, and returns its settings and events."""
    pings.make(rng, folder)
    project = json.loads((Path(folder) / "headcount.yaml").read_text())
    counted_from = rng.choice(["events", "pings"])
    project["pings"]["saas"] = {"uuid": pings.SAAS[0], "hostname": pings.SAAS[1], "counted_from": counted_from}
    project["dictionary"] = "dictionary"
    events, has_deployment = [], rng.random() < 0.5
    if rng.random() < 0.7:
        source = {"name": "clicks", "files": "events.csv", "time": "at", "user": "user", "event": "event"}
        if has_deployment:
            source["deployment"] = {"column": "deployment"}
        project["sources"].append(source)
        for _ in range(rng.choice([30, 400])):
            day = date(2025, 11, 1) + timedelta(days=rng.randrange(rng.choice([40, 100])))
            where = rng.choice(["saas", "self_managed", ""]) if has_deployment else ""
            events.append((day, rng.randrange(60), rng.choice(list(EVENTS.values())), where))
        lines = [f"{day}T12:00:00Z,{user},{event},{where}" for day, user, event, where in events]
        pings.write(folder, "events.csv", "at,user,event,deployment\n" + "\n".join(lines) + "\n")
    pings.write(folder, "headcount.yaml", json.dumps(project))
    definitions = json.loads((Path(folder) / "dictionary/metrics/all.yml").read_text())
    for definition in definitions:
        group, flags = OWNERS.get(definition["key_path"], (None, []))
        definition["performance_indicator_type"] = flags
        if group:
            definition["product_group"] = group
        if definition["key_path"] in EVENTS:
            definition["events"] = [{"name": EVENTS[definition["key_path"]], "unique": "user.id"}]
    pings.write(folder, "dictionary/metrics/all.yml", json.dumps(definitions))
    pings.write(folder, "dictionary/events/all.yml", "[]")
    tree = {stage: {"section": section, "groups": {group: {"name": group} for group in groups}}
            for stage, (section, groups) in TREE.items()}
    pings.write(folder, "dictionary/stages.yml", json.dumps({"stages": tree}))
    return counted_from, events


def questions(rng):
    """Arguments of some reports."""
    yield {"method": "indicator", "by": ["deployment"], "condition": "version_check", "measure": "subscriptions",
           "predict": None}
    for _ in range(3):
        yield {"method": rng.choice(["indicator", "max", "sum"]), "by": rng.sample(DIMENSIONS, rng.randint(0, 3)),
               "condition": rng.choice(["version_check", "reported"]), "measure": rng.choice(["subscriptions", "seats"]),
               "predict": rng.choice([None, "current_version", "all_reported"])}


def paths_of_metrics():
    """The path with the monthly numbers of each metric, and its time frame."""
    for key_path, time_frame, value_type in pings.METRICS:
        if value_type not in ("number", None) or time_frame == "none":
            continue
        if isinstance(time_frame, list):
            yield key_path, key_path + "_monthly", "28d"
        else:
            yield key_path, key_path, time_frame or "28d"


def nodes():
    """Level, keys, all metrics and flagged metrics of every node."""
    metrics = [metric for metric, _, _ in paths_of_metrics()]
    found = defaultdict(lambda: ([], []))
    for metric in metrics:
        group, flags = OWNERS[metric]
        section, stage = STAGE_OF.get(group, (None, None))
        places = [(("total", None, None, None, None), "umau"), (("action", section, stage, group, metric), None)]
        if group:
            places += [(("section", section, None, None, None), "smau"), (("stage", section, stage, None, None), "smau"),
                       (("group", section, stage, group, None), "gmau")]
        for name, flag in places:
            found[name][0].append(metric)
            if flag in flags:
                found[name][1].append(metric)
    return found


def value_of_node(level, method, everything, flagged, values):
    """The value of a node; None without any value of its metrics."""
    chosen = everything if level == "action" or method != "indicator" else flagged
    known = [values[metric] for metric in chosen if metric in values]
    if not known:
        return None
    return max(known) if method == "max" and level != "action" else sum(known)


def rows_of_pings(folder, question, skip_saas):
    """Rows as (month, basis, deployment, values of the other dimensions, node) -> (users, complete)."""
    others = [name for name in question["by"] if name != "deployment"]
    _, found = pings.read(folder)
    facts = []
    for metric, key_path, frame in paths_of_metrics():
        for ping, value in pings.monthly_values(found, key_path, frame):
            version = f"{ping.versions[0] // 100}.{ping.versions[0] % 100}" if ping.versions else "(none)"
            uuid, hostname = ping.who
            of = {"edition": ping.edition, "tier": ping.tier, "version": version,
                  "installation": f"{uuid}/{hostname}" if hostname else uuid}
            facts.append((ping.month, "recorded", ping.deployment, of, metric, value))
    metric_of = {key_path: metric for metric, key_path, _ in paths_of_metrics()}
    tables = pings.recount(folder)
    for row in tables["ping_estimates"]:
        month, key_path, edition, deployment, condition, measure, *_, total = row
        if key_path in metric_of and (condition, measure) == (question["condition"], question["measure"]):
            facts.append((month, "estimated", deployment, {"edition": edition}, metric_of[key_path], total))
    for row in tables["ping_predictions"]:
        month, key_path, edition, deployment, scenario, measure, numerator, _, _, total = row
        unit = "installations" if scenario == "current_version" else question["measure"]
        if key_path in metric_of and (scenario, measure) == (question["predict"], unit) and numerator != 0:
            facts.append((month, "predicted", deployment, {"edition": edition}, metric_of[key_path], total))
    sums = defaultdict(dict)
    for month, basis, deployment, of, metric, value in facts:
        if deployment == "saas" and skip_saas:
            continue
        for mask in itertools.product([False, True], repeat=len(others)):
            asked = [name for name, is_asked in zip(others, mask) if is_asked]
            if any(name not in of for name in asked):
                continue
            combo = tuple(of[name] if is_asked else None for name, is_asked in zip(others, mask))
            values = sums[month, basis, deployment, combo]
            value = value if value != "" else TOO_LARGE
            values[metric] = values.get(metric, 0) + value
    rows = {}
    for (month, basis, deployment, combo), values in sums.items():
        combined = []
        for name, (everything, flagged) in nodes().items():
            value = value_of_node(name[0], question["method"], everything, flagged, values)
            if name[0] == "stage" and value is not None:
                combined.append(value)
            if value is not None:
                rows[month, basis, deployment, combo, name] = (value, pings.is_complete(month, found))
        if combined:
            combined = (sum(combined), pings.is_complete(month, found))
            rows[month, basis, deployment, combo, ("combined", None, None, None, None)] = combined
    return rows


def rows_of_events(events, question, skip_saas):
    """As rows_of_pings; every combination has a row for every month of the data with users, All of it always."""
    others = [name for name in question["by"] if name != "deployment"]
    if not events:
        return {}
    bases = ["estimated"] + (["predicted"] if question["predict"] else [])
    days = [day for day, *_ in events]
    # Of `all` metrics pings have monthly increases, and events have no monthly users.
    counted = [metric for metric, _, frame in paths_of_metrics() if metric in EVENTS and frame == "28d"]
    rows, before = {}, defaultdict(int)
    # Without the column all events are of SaaS.
    unnamed = "(none)" if any(where for *_, where in events) else "saas"
    deployments = sorted({where or unnamed for *_, where in events})
    for month in MONTHS:
        start = date.fromisoformat(month + "-01")
        end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        first = end - timedelta(days=27)
        if end < min(days) or start > max(days):
            continue
        # The data ends at noon of its last day.
        complete = max(days) > end
        for deployment in deployments:
            if deployment == "saas" and skip_saas:
                continue
            inside = [(user, event) for day, user, event, where in events
                      if first <= day <= end and (where or unnamed) == deployment]
            users = lambda metrics: len({user for user, event in inside if event in {EVENTS[m] for m in metrics}})
            values, stages = {}, []
            for name, (everything, flagged) in nodes().items():
                everything = [metric for metric in everything if metric in counted]
                flagged = [metric for metric in flagged if metric in counted]
                if not everything:
                    continue
                if name[0] == "action" or question["method"] == "indicator":
                    chosen = everything if name[0] == "action" else flagged
                    value = users(chosen) if chosen else None
                else:
                    each = [users([metric]) for metric in everything]
                    value = max(each) if question["method"] == "max" else sum(each)
                if value is not None:
                    values[name] = value
                    stages += [value] if name[0] == "stage" else []
            values["combined", None, None, None, None] = sum(stages)
            for name, value in values.items():
                # Nobody there in this month and the one before.
                is_empty = unnamed == "(none)" and value == before[deployment, name] == 0
                before[deployment, name] = value
                for combo in [] if is_empty else itertools.product([None, "(none)"], repeat=len(others)):
                    for basis in ["recorded"] + (bases if complete and not any(combo) else []):
                        rows[month + "-01", basis, deployment, combo, name] = (value, complete)
    return rows


def incomplete_months(events, skip_saas):
    """The months of the events that are not over."""
    named = any(where for *_, where in events)
    days = [day for day, *_, where in events]
    if skip_saas and (not named or not any(where != "saas" for *_, where in events)):
        return set()
    return {month + "-01" for month in MONTHS if days and f"{max(days):%Y-%m}" == month}


def expected_rows(folder, question, counted_from, events):
    """The rows with users, as texts."""
    from_events = bool(events) and counted_from == "events"
    parts = [(rows_of_pings(folder, question, from_events), "ping_28d"),
             (rows_of_events(events, question, not from_events), "last_28d_of_month")]
    merged = defaultdict(list)
    for rows, window in parts:
        for (month, basis, deployment, combo, name), (value, complete) in rows.items():
            for shown in {deployment, None} if "deployment" in question["by"] else {None}:
                others = iter(combo)
                by = tuple(shown if dimension == "deployment" else next(others) for dimension in question["by"])
                merged[month, basis, by, name].append((value, complete, window))
    rows, incomplete = set(), incomplete_months(events, not from_events)
    for (month, basis, by, name), found in merged.items():
        users = sum(value for value, _, _ in found)
        windows = {window for _, _, window in found}
        start = date.fromisoformat(month)
        end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        window = windows.pop() if len(windows) == 1 else "ping_28d"
        start = end - timedelta(days=27) if window == "last_28d_of_month" else start
        complete = all(complete for _, complete, _ in found)
        is_all = "deployment" not in question["by"] or by[question["by"].index("deployment")] is None
        complete = complete and not (is_all and month in incomplete)
        if basis != "recorded" and not complete:
            continue
        if is_all:
            method = "sum"
        elif name[0] == "action":
            method = "union" if window == "last_28d_of_month" else "sum"
        else:
            method = "sum" if name[0] == "combined" else question["method"]
        before = (start.replace(day=1) - timedelta(days=1)).replace(day=1)
        previous = sum(value for value, _, _ in merged.get((str(before), basis, by, name), []))
        previous = previous if previous < 2**63 else 0
        row = [window, start, end, complete, *name, *by, method, basis, users]
        if 0 < users < 2**63:
            rows.add(tuple("" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row)
                     + (str(previous),))
    return rows


def check(program, seed):
    rng = random.Random(seed)
    compared = 0
    with tempfile.TemporaryDirectory() as folder:
        counted_from, events = make(rng, folder)
        for question in questions(rng):
            command = [program, "report", "--format", "csv", "--level", "total,combined,section,stage,group,action",
                       "--method", question["method"], "--condition", question["condition"],
                       "--measure", question["measure"]]
            command += ["--predict", question["predict"]] if question["predict"] else []
            command += ["--by", ",".join(question["by"])] if question["by"] else []
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if rng.random() < 0.3:
                # From the store the rows are the same, whatever it has already.
                pings.run(program, folder, "ingest")
                stored = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                assert stored.stdout == ran.stdout, f"seed {seed}, {question}: other rows from the store"
            if ran.returncode not in (0, 3):
                sys.exit(f"seed {seed}, {question}: {ran.stderr}")
            theirs = set()
            for row in list(csv.reader(io.StringIO(ran.stdout)))[1:]:
                *row, exact, users, low, high, previous, _ = row
                assert exact == "exact" and users == low == high, row
                # The data may or may not reach back to a month before without users.
                if users != "0":
                    theirs.add((*row, users, previous or "0"))
            ours = expected_rows(folder, question, counted_from, events)
            if ours != theirs:
                missing, more = sorted(ours - theirs)[:4], sorted(theirs - ours)[:4]
                sys.exit(f"seed {seed}, {question}:\nrecounted {missing}\nprinted {more}")
            compared += len(ours)
    return compared


def main():
    program, first, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rows = sum(check(program, seed) for seed in range(first, first + seeds))
    print(f"{rows} rows of {seeds} fleets agree")


if __name__ == "__main__":
    main()
