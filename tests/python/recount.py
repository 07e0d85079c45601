"""recount.py PROGRAM FIRST_SEED SEEDS: reports of random projects, recounted from their files.

Every seed makes a project in a temporary folder: sources of CSV and NDJSON files with odd and faulty
values, a tree, events and metrics. Some reports of it are recounted with plain loops over the rows
of the files and sets of users, and compared row by row with those that PROGRAM prints: counted from
the events, and from the store after an ingest. Standard library only.
"""

import csv
import gzip
import io
import itertools
import json
import re
import random
import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

# Without changes of clocks in these years.
ZONES = {"UTC": 0, "Asia/Kolkata": 330, "America/Phoenix": -420, "Pacific/Kiritimati": 840}
WINDOWS = ["day", "week", "month", "quarter", "year", "last_28d_of_month", "trailing_7d",
           "trailing_28d", "iso_4w", "lagged_28d"]
LEVELS = ["total", "combined", "section", "stage", "group", "action"]
EVENTS = ["open", "edit row", "teilen: ü", "close", "secret"]
USERS = [1, 2, 3, "3", "007", "7", "ann", "Ann", "süß, \"x\"", "-4", 2**40, "x y"]
PLANS = ["free", "paid", "", None, "(none)", 1, "1", True, "a, \"b\"\nc"]
BAD_TIMES = ["", " ", None, "never", "2026-02-30", "1768435200", "1969-12-31T23:59:59Z"]
DIMENSIONS = ["plan", "region", "deployment"]
START = datetime(2025, 11, 20, tzinfo=timezone.utc)


# Making a project.

def make(rng, folder):
    """Writes a project and returns what its recount has to know beside the files of events."""
    zone = rng.choice(list(ZONES))
    bound = rng.choice([None, date(2026, 2, 10)])
    sources = [source(rng, folder, number) for number in range(rng.randint(1, 3))]
    tree = {}
    for at in range(rng.randint(1, 3)):
        tree[f"stage{at}"] = (rng.choice(["left", "right"]), [f"g{at}{i}" for i in range(rng.randint(1, 2))])
    groups = [group for _, own in tree.values() for group in own] + [None]
    defined = rng.sample(EVENTS[:4], rng.randint(1, 4))
    metrics = [metric(rng, f"m.{at}", rng.choice(groups)) for at in range(rng.randint(0, 5))]
    project = {"time_zone": zone, "sources": [own for own, _ in sources]}
    if bound:
        project["no_events_after"] = str(bound)
    stages = {
        name: {"section": section, "groups": {group: {} for group in own}}
        for name, (section, own) in tree.items()
    }
    # JSON is YAML.
    for path, value in [
        ("headcount.yaml", project),
        ("dictionary/stages.yml", {"stages": stages}),
        ("dictionary/events/all.yml", [{"action": event} for event in defined]),
        ("dictionary/metrics/all.yml", metrics),
    ]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(value, ensure_ascii=False))
    return {"zone": zone, "bound": bound, "tree": tree, "defined": defined, "metrics": metrics,
            "sources": sources}


def metric(rng, name, group):
    rules = []
    for _ in range(rng.randint(1, 3)):
        rule = {"name": rng.choice(EVENTS[:4]), "unique": "user.id"}
        if rng.random() < 0.5:
            values = rng.sample(["free", "paid", "(none)", 1, "true", "a, \"b\"\nc"], rng.randint(1, 2))
            rule["filter"] = {rng.choice(DIMENSIONS): values if len(values) > 1 else values[0]}
            if rng.random() < 0.3:
                rule["filter"]["region"] = "north"
        rules.append(rule)
    own = {"key_path": name, "operator": rng.choice(["AND", "OR"]), "events": rules,
           "performance_indicator_type": [flag for flag in ("smau", "gmau") if rng.random() < 0.4]}
    if group:
        own["product_group"] = group
    return own


def source(rng, folder, number):
    """A source as the project file has it, and its files."""
    own = {"name": f"s{number}", "files": f"s{number}", "time": "at", "event": "event",
           "user": rng.choice(["user", {"column": "user", "scope": "tenant"}])}
    own["dimensions"] = rng.sample(["plan", "region"], rng.randint(0, 2))
    if rng.random() < 0.3:
        own["event"] = {"const": rng.choice(EVENTS)}
    if rng.random() < 0.7:
        own["deployment"] = rng.choice(["saas", "hosting"])
    files = []
    for at in range(rng.randint(1, 2)):
        form = rng.choice(["csv", "csv.gz", "tsv", "ndjson", "ndjson.gz"])
        files.append(folder / own["files"] / f"{at}.{form}")
        files[-1].parent.mkdir(exist_ok=True)
        write(files[-1], [row(rng) for _ in range(rng.randint(1, 60))])
    return own, files


def row(rng):
    at = START + timedelta(seconds=rng.randrange(100 * 86_400))
    local = at.astimezone(timezone(timedelta(minutes=rng.choice([0, 120, -570]))))
    texts = [f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d}",
             local.isoformat(), f"{at:%Y-%m-%dT%H:%M:%S}.5Z"]
    return {
        "at": rng.choice(BAD_TIMES if rng.random() < 0.05 else texts),
        "user": rng.choice(["", None] if rng.random() < 0.05 else USERS),
        "event": rng.choice(["", None] if rng.random() < 0.05 else EVENTS),
        "tenant": rng.choice(["", None] if rng.random() < 0.05 else ["a", "b"]),
        "plan": rng.choice(PLANS),
        "region": rng.choice(["north", "south, west", None]),
        "hosting": rng.choice(["saas", "self_managed", None]),
    }


def write(path, rows):
    text = io.StringIO()
    if "ndjson" in path.name:
        for own in rows:
            # Null and not there are the same.
            text.write(json.dumps({k: v for k, v in own.items() if v is not None or k == "at"}) + "\n")
            text.write("\n" if len(own["region"] or "") == 5 else "")
        # A file must have every column somewhere.
        text.write(json.dumps(dict.fromkeys(rows[0])) + "\n")
    else:
        delimiter = "\t" if ".tsv" in path.name else ","
        out = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
        out.writeheader()
        out.writerows({k: as_text(v) for k, v in own.items()} for own in rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


# Recounting it.

def as_text(value):
    """A value of a cell as the text that it is compared by; nothing is an empty text."""
    if value is None or value is True or value is False:
        return {None: "", True: "true", False: "false"}[value]
    return str(value)


def read(path):
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    if "ndjson" in path.name:
        rows = [json.loads(line) for line in text.splitlines() if line]
    else:
        delimiter = "\t" if ".tsv" in path.name else ","
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    for own in rows:
        yield {key: as_text(value) for key, value in own.items()}


def day_of(text, zone):
    """The day of a time in a zone, or None if it is no time that counts."""
    parts = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d):(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?", text)
    if not parts:
        return None
    numbers = [int(part or 0) for part in parts.groups()[:6]]
    offset = parts[7] or "Z"
    minutes = 0 if offset == "Z" else int(offset[:3]) * 60 + int(offset[0] + offset[4:])
    try:
        at = datetime(*numbers, tzinfo=timezone(timedelta(minutes=minutes)))
    except ValueError:
        return None
    if at.timestamp() < 0:
        return None
    return at.astimezone(timezone(timedelta(minutes=ZONES[zone]))).date()


def recount_rows(project):
    """The good rows as (day, user, event, values by dimension), how many were faulty, and the days
    of all rows with a good time, from the first of which to the last the data reaches."""
    good, faulty, reach = [], 0, set()
    for own, files in project["sources"]:
        scope = own["user"]["scope"] if isinstance(own["user"], dict) else None
        for cells in itertools.chain.from_iterable(map(read, files)):
            day = day_of(cells.get("at", ""), project["zone"])
            user = (scope and cells.get(scope, ""), cells.get("user", ""))
            event = own["event"]["const"] if isinstance(own["event"], dict) else cells.get("event", "")
            late = day and project["bound"] and day > project["bound"]
            if day and not late:
                reach.add(day)
            if not day or late or not user[1] or user[0] == "" or not event:
                faulty += 1
                continue
            values = {name: cells.get(name, "") for name in own["dimensions"]}
            place = own.get("deployment")
            values["deployment"] = place if place in (None, "saas") else cells.get(place, "")
            good.append((day, user, event, values))
    return good, faulty, reach


def label(values, name):
    text = values.get(name) or "(none)"
    return '"(none)"' if values.get(name) == "(none)" else text


def days(first, last):
    return [first + timedelta(days=at) for at in range((last - first).days + 1)]


def month(day, months=1):
    """The calendar months, so many, that a day lies in."""
    at = (day.year * 12 + day.month - 1) // months * months
    first = [date(m // 12, m % 12 + 1, 1) for m in (at, at + months)]
    return first[0], first[1] - timedelta(days=1)


def period(window, day):
    """First and last day of the period that a day belongs to."""
    back = lambda count, end=day: (end - timedelta(days=count - 1), end)
    if window in ("month", "quarter", "year"):
        return month(day, {"month": 1, "quarter": 3, "year": 12}[window])
    if window == "week":
        return back(7, day + timedelta(days=6 - day.weekday()))
    if window == "last_28d_of_month":
        return back(28, month(day)[1])
    if window == "iso_4w":
        return back(28) if day.weekday() == 6 else None
    if window == "lagged_28d":
        return back(28, day - timedelta(days=2))
    return back(1 if window == "day" else int(window[len("trailing_"):-1]))


def previous(window, start, end):
    if window in ("iso_4w", "lagged_28d") or window.startswith("trailing"):
        step = timedelta(days=7 if window == "iso_4w" else 1)
        return start - step, end - step
    if window == "last_28d_of_month":
        return period(window, month(end)[0] - timedelta(days=1))
    return period(window, start - timedelta(days=1))


def recount(project, good, reach, question):
    """The report: for each row its key, and what must stand in it."""
    window, method, by = question["window"], question["method"], question["by"]
    if not reach:
        return {}
    first, newest = min(reach), max(reach)
    as_of = question["as_of"]
    last, reached = (as_of, as_of + timedelta(days=1)) if as_of else (newest, newest)
    rows = [own for own in good if not as_of or own[0] <= as_of]
    named = {rule["name"] for metric in project["metrics"] for rule in metric["events"]}
    counted = named | set(project["defined"])
    stage_of = {g: stage for stage, (_, groups) in project["tree"].items() for g in groups}

    def users(selects, of, values):
        found = set()
        for day, user, event, own in rows:
            if of[0] <= day <= of[1] and selects(event, own) and all(
                    value is None or label(own, name) == value for name, value in zip(by, values)):
                found.add(user)
        return found

    def of_metric(metric, of, values):
        sets = []
        for rule in metric["events"]:
            wanted = {name: [as_text(v) for v in (own if isinstance(own, list) else [own])]
                      for name, own in rule.get("filter", {}).items()}
            sets.append(users(lambda event, own: event == rule["name"] and all(
                own.get(name) in texts for name, texts in wanted.items()), of, values))
        return set.intersection(*sets) if metric["operator"] == "AND" else set.union(*sets)

    def nodes(level):
        """Keys of the nodes of a level, each with its metrics."""
        found = {}
        for metric in project["metrics"]:
            group = metric.get("product_group")
            stage = stage_of.get(group)
            keys = [project["tree"][stage][0] if stage else None, stage, group, metric["key_path"]]
            depth = LEVELS.index(level) - 1
            if keys[depth - 1]:
                key = tuple(keys[:depth] + [None] * (4 - depth))
                found.setdefault(key, []).append(metric)
        return found

    def count(level, metrics, of, values):
        if level == "total":
            return len(users(lambda event, _: event in counted, of, values))
        if level == "combined":
            stages = (count("stage", own, of, values) for own in nodes("stage").values())
            return sum(stage for stage in stages if stage is not None)
        sets = [of_metric(metric, of, values) for metric in metrics]
        flag = "gmau" if level == "group" else "smau"
        if level == "action" or method == "union":
            return len(set().union(*sets))
        if method == "indicator":
            flagged = [own for own, metric in zip(sets, metrics) if flag in metric["performance_indicator_type"]]
            return len(set().union(*flagged)) if flagged else None
        return max(map(len, sets)) if method == "max" else sum(map(len, sets))

    of_data = {period(window, day) for day in days(first, last)} - {None}
    asked = days(question["from"] or first - timedelta(days=366), question["to"] or last + timedelta(days=366))
    labels = [[None] + sorted({label(own[3], name) for own in good}) for name in by]
    report = {}
    for of in sorted({period(window, day) for day in asked} & of_data):
        before = previous(window, *of)
        before = before if before[1] >= first else None
        for level in LEVELS:
            tree = {(None,) * 4: []} if level in ("total", "combined") else nodes(level)
            for key, metrics in tree.items():
                for values in itertools.product(*labels):
                    now = count(level, metrics, of, values)
                    then = count(level, metrics, before, values) if before else None
                    if now is None or (any(v is not None for v in values) and not now and not then):
                        continue
                    own = {"total": "union", "action": "union", "combined": "sum"}.get(level, method)
                    change = "" if not then else (now - then) / then * 100
                    row = [str(of[1]), str(reached > of[1]).lower(), own, str(now),
                           "" if then is None else str(then)]
                    key_of_row = (str(of[0]), level, *(k or "" for k in key), *(v or "" for v in values))
                    report[key_of_row] = (row, change)
    return report


# Comparing.

def ask(rng):
    one_day = lambda: START.date() + timedelta(days=rng.randrange(100))
    start, end = sorted([one_day(), one_day()])
    ranged = rng.random() < 0.4
    return {"window": rng.choice(WINDOWS), "method": rng.choice(["union", "indicator", "max", "sum"]),
            "by": rng.sample(DIMENSIONS, rng.choice([0, 1, 1, 2])),
            "from": start if ranged else None, "to": end if ranged else None,
            "as_of": one_day() if rng.random() < 0.2 else None}


def compare(what, expected, out, by):
    header, *rows = list(csv.reader(io.StringIO(out, newline="")))
    keys = ["period_start", "level", "section", "stage", "group", "metric", *by]
    found = {}
    for cells in rows:
        own = dict(zip(header, cells))
        key = tuple(own[name] for name in keys)
        assert key not in found, f"{what}: two rows of {key}"
        found[key] = own
    assert found.keys() == expected.keys(), (
        f"{what}: rows missing {list(expected.keys() - found.keys())[:5]}, "
        f"too many {list(found.keys() - expected.keys())[:5]}")
    for key, (row, change) in expected.items():
        own = found[key]
        names = ["period_end", "complete", "method", "users", "previous_users"]
        assert [own[name] for name in names] == row, f"{what}: {key}: {own}, not {row}"
        assert own["users_low"] == own["users_high"] == own["users"], f"{what}: {key}: {own}"
        given = own["change_pct"]
        assert (given == "") == (change == ""), f"{what}: {key}: {own}, not {change}"
        assert given == "" or abs(float(given) - change) < 0.1, f"{what}: {key}: {own}, not {change}"
    return len(rows)


def run(program, folder, *arguments):
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check(program, seed):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = make(rng, folder)
        good, faulty, reach = recount_rows(project)
        known = {name for own, _ in project["sources"] for name in own["dimensions"]}
        known |= {"deployment" for own, _ in project["sources"] if "deployment" in own}
        compared = 0
        questions = [ask(rng) for _ in range(4)]
        for place in ("events", "store"):
            if place == "store":
                code, _, err = run(program, folder, "ingest")
                assert code == (3 if faulty else 0), f"seed {seed}: ingest: {code}: {err}"
            for question in questions:
                question["by"] = [name for name in question["by"] if name in known]
                options = [f"--{name.replace('_', '-')}={question[name]}"
                           for name in ("window", "method", "from", "to", "as_of") if question[name]]
                options += [f"--by={','.join(question['by'])}"] if question["by"] else []
                what = f"seed {seed}, {place}: report {' '.join(options)}"
                code, out, err = run(program, folder, "report", "--format=csv", f"--level={','.join(LEVELS)}", *options)
                assert code in (0, 3), f"{what}: {code}: {err}"
                # Faults of rows that a question has no use for are not looked for.
                if not (question["from"] or question["as_of"] or question["window"] == "last_28d_of_month"):
                    assert (f"rejected {faulty} row" in err) == (faulty > 0), f"{what}: {faulty} faulty: {err}"
                compared += compare(what, recount(project, good, reach, question), out, question["by"])
        return compared


if __name__ == "__main__":
    first, seeds = int(sys.argv[2]), int(sys.argv[3])
    rows = sum(check(sys.argv[1], seed) for seed in range(first, first + seeds))
    print(f"{rows} rows of {seeds} projects")
