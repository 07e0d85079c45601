"""pings.py PROGRAM FIRST_SEED SEEDS: the tables of random fleets, recounted from their files; also when
the files get into a store in random order.

Every seed makes a project in a temporary folder: pings of a few installations in files of several
forms, with faults, repeated uploads and odd values, subscriptions and releases. The tables are
recounted with plain loops over the documents, and compared row by row with those that PROGRAM prints.
Standard library only.
"""

import csv
import gzip
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

UTC = timezone.utc
SAAS = ("ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f", "gitlab.com")
START = datetime(2025, 11, 3, tzinfo=UTC)
# Key path, time frame, type: as metrics are defined.
METRICS = [
    ("monthly.plan.users", "28d", "number"),
    ("monthly.plan.guests", "28d", "number"),
    ("monthly.create", "28d", "number"),
    ("counts.issues", "all", "number"),
    ("counts.runners", "all", None),
    ("counts.events", ["7d", "28d", "all"], "number"),
    ("settings.mail", "none", "boolean"),
    ("top", None, "number"),
]
VALUES = [0, 1, 2, 3, 5, 8, 13, 400, 2**40]
ODD = ["-1", "-2", "-1000", "-5", "1.5", "2.0", "1e2", '"7"', "null", "true", "[1, 2]", "{}", '{"x": 1}',
       "9223372036854775807", "9223372036854775808", "-9223372036854775808"]
VERSIONS = ["13.9.1-ee", "13.10.0-ee", "13.12.4", "14.0.0-pre", "14.0.2-ee", "14.2.0", "15.1.0-pre", "nightly", None]
EDITIONS = ["CE", "EE Free", "EE", "EES", "EEP", "EEU", "FOSS", None]


# Making a project.

def make(rng, folder):
    """Writes a project."""
    settings = {"subscriptions": "subscriptions.csv"}
    if rng.random() < 0.5:
        settings["releases"] = "releases.csv"
        releases = rng.sample(["13.9", "13.10", "1312", "14.0", "14.2", "15.1"], 4)
        write(folder, "releases.csv", "major_minor,released_on\n" + "".join(f"{r},\n" for r in releases))
    project = {"dictionary": {"metrics": "dictionary/metrics"},
               "sources": [{"name": "fleet", "format": "service_ping", "files": ["pings"]}], "pings": settings}
    # JSON is YAML.
    write(folder, "headcount.yaml", json.dumps(project))
    definitions = []
    for key_path, time_frame, value_type in METRICS:
        definition = {"key_path": key_path, "time_frame": time_frame, "value_type": value_type}
        definitions.append({key: value for key, value in definition.items() if value is not None})
    write(folder, "dictionary/metrics/all.yml", json.dumps(definitions))
    installations = [(f"u{at // 2}", f"h{at}.org") for at in range(rng.randint(4, 14))]
    installations[0] = (installations[0][0], "h.gitlab-dedicated.com")
    installations += [SAAS, ("u0", None)]
    subscriptions = [f"S{at}" for at in range(8)]
    documents = []
    for uuid, hostname in installations:
        documents += uploads(rng, uuid, hostname, subscriptions)
    rng.shuffle(documents)
    number = 0
    while documents:
        count = rng.choice([1, 1, 1, 2, 30])
        lines, documents = documents[:count], documents[count:]
        number += 1
        prefix = rng.choice(["", "20251215T000000Z-", "20260120T101112Z-"])
        content = "\n".join(lines).encode()
        if rng.random() < 0.3:
            write(folder, f"pings/{prefix}{number:03}.ndjson.gz", gzip.compress(content))
        else:
            write(folder, f"pings/{prefix}{number:03}.json", content)
    rows = ["subscription_id,month,status,plan,seats,uuid,hostname,version"]
    for subscription in subscriptions + ["T1", "T2"]:
        for month in ["2025-11", "2025-12", "2026-01", "2026-02"]:
            for _ in range(rng.choice([0, 1, 1, 2])):
                uuid, hostname = rng.choice(installations) if rng.random() < 0.4 else ("", "")
                status = rng.choice(["Active", "Active", "Cancelled", "Expired"])
                version = rng.choice(VERSIONS) or ""
                rows.append(f"{subscription},{month},{status},premium,{rng.choice(['', 0, 7, 50])},"
                            f"{uuid},{hostname or ''},{version}")
    write(folder, "subscriptions.csv", "\n".join(rows) + "\n")


def uploads(rng, uuid, hostname, subscriptions):
    """The uploads of an installation, as texts."""
    texts = []
    edition, version = rng.choice(EDITIONS), rng.choice(VERSIONS)
    subscription = rng.choice(subscriptions + [None, None])
    missing = rng.sample(METRICS, rng.randint(0, 4))
    totals = defaultdict(int)
    for week in range(rng.randint(2, 15)):
        if rng.random() < 0.15:
            continue
        version = rng.choice(VERSIONS) if rng.random() < 0.2 else version
        edition = rng.choice(EDITIONS) if rng.random() < 0.1 else edition
        at = START + timedelta(days=7 * week + rng.randint(0, 2), seconds=rng.randint(0, 86_399))
        document = {"uuid": uuid, "hostname": hostname, "edition": edition, "version": version,
                    "recorded_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "license_subscription_id": subscription,
                    "license_user_count": rng.choice([None, 3, 90]),
                    "license_expires_at": rng.choice([None, None, "2026-01-10", "2027-01-01", "20260-01-01"]),
                    "gitlab_dedicated": rng.choice([None, False, False, False, uuid == "u1"]),
                    "licensee": {"Name": "A", "Count": 4}, "unknown": {"key": 5}}
        document = {key: value for key, value in document.items() if value is not None}
        for key_path in paths():
            if any(key_path.startswith(name) for name, _, _ in missing):
                continue
            totals[key_path] += rng.choice(VALUES[:7])
            value = totals[key_path] if key_path.startswith("counts") else rng.choice(VALUES)
            if key_path == "counts.issues" and rng.random() < 0.1:
                totals[key_path] //= 2
            put(document, key_path, f"@{rng.choice(ODD)}@" if rng.random() < 0.12 else value)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            if rng.random() < 0.7:
                uploaded = at + timedelta(hours=rng.choice([-30, -24, -1, 0, 5, 100]))
                document["uploaded_at"] = uploaded.strftime("%Y-%m-%dT%H:%M:%SZ")
            if rng.random() < 0.5:
                document["top"] = rng.choice(VALUES)
            text = json.dumps(document)
            # Odd values as written.
            texts.append(re.sub(r'"@(.*?)@"', lambda odd: json.loads(f'"{odd.group(1)}"'), text))
        if rng.random() < 0.1:
            broken = dict(document)
            broken.update(rng.choice([{"uuid": None}, {"recorded_at": "2026-01-01"}, {"recorded_at": ""},
                                      {"version": "VERSION"}]))
            texts.append(rng.choice(["[1]", "no json", texts[-1][:-1], json.dumps(broken).replace("@", "")]))
    return texts


def paths():
    """The key paths of all metrics."""
    return [key_path for key_path, _, _ in metric_paths()]


def metric_paths():
    """Key path, time frame and type of every path."""
    endings = {"7d": "_weekly", "28d": "_monthly", "all": ""}
    for key_path, time_frame, value_type in METRICS:
        if isinstance(time_frame, list):
            for frame in time_frame:
                yield key_path + endings[frame], frame, value_type
        else:
            yield key_path, time_frame or "28d", value_type


def put(document, key_path, value):
    *folders, last = key_path.split(".")
    for folder in folders:
        document = document.setdefault(folder, {})
        if not isinstance(document, dict):
            return
    document[last] = value


def write(folder, name, content):
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


# Recounting.

def refuse_constant(name):
    raise ValueError(name)


def is_json(text):
    try:
        json.loads(text, parse_constant=refuse_constant)
        return True
    except ValueError:
        return False


def instant(text):
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        return None
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def reason_of(document, uploaded):
    if not isinstance(document, dict):
        return "not_an_object"
    if not document.get("uuid"):
        return "missing_uuid"
    if not document.get("recorded_at"):
        return "missing_recorded_at"
    if not instant(document["recorded_at"]):
        return "bad_recorded_at"
    if "VERSION" in (document.get("version") or ""):
        return "placeholder_version"
    if uploaded and instant(document["recorded_at"]) - uploaded > timedelta(hours=24):
        return "future_clock"
    return None


class Ping:
    def __init__(self, document):
        self.document = document
        self.who = (document["uuid"], document.get("hostname"))
        self.at = instant(document["recorded_at"])
        self.month = f"{self.at:%Y-%m}-01"
        edition = document.get("edition")
        self.edition = "CE" if edition == "CE" else "EE"
        tiers = {"CE": "Free", "EE Free": "Free", "EE": "Starter", "EES": "Starter", "EEP": "Premium",
                 "EEU": "Ultimate"}
        self.tier = tiers.get(edition, "Unknown")
        expires = document.get("license_expires_at")
        # Of years with five digits only one that is far away is made.
        if expires and len(expires) == 10 and f"{self.at:%Y-%m-%dT%H:%M:%S}" > expires + "T00:00:00":
            self.tier = "Free"
        if self.who == SAAS:
            self.deployment = "saas"
        elif document.get("gitlab_dedicated") is True or is_dedicated_host(self.who[1]):
            self.deployment = "dedicated"
        else:
            self.deployment = "self_managed"
        self.versions = number_of(document.get("version"))

    def get(self, key_path):
        """Whether there is a value, and the value."""
        value = self.document
        for key in key_path.split("."):
            if not isinstance(value, dict) or key not in value:
                return False, None
            value = value[key]
        return True, value

    def valid(self, key_path):
        there, value = self.get(key_path)
        is_count = there and type(value) is int and 0 <= value < 2**63
        return value if is_count else None


def is_dedicated_host(hostname):
    return bool(hostname) and hostname.endswith(".gitlab-dedicated.com")


def number_of(version):
    match = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(match[1]) * 100 + int(match[2]), version.endswith("-pre")) if match else None


def read(folder):
    """The outcome of every upload, and the newest upload of every ping with its file."""
    outcome, newest = {}, {}
    for path in sorted((Path(folder) / "pings").iterdir()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        lines = content.decode().split("\n")
        # Without any good line it is one broken document.
        lines = lines if any(map(is_json, lines)) else [content.decode()]
        prefix = re.match(r"(\d{8}T\d{6}Z)-", path.name)
        of_name = datetime.strptime(prefix[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if prefix else None
        for at, line in enumerate(lines, 1):
            file = f"pings/{path.name}" + (f":{at}" if len(lines) > 1 else "")
            try:
                document = json.loads(line, parse_constant=refuse_constant)
            except ValueError:
                outcome[file] = ("refused", "invalid_json")
                continue
            uploaded = instant(document.get("uploaded_at")) if isinstance(document, dict) else None
            uploaded = uploaded or of_name
            reason = reason_of(document, uploaded)
            outcome[file] = ("refused", reason)
            if reason is None:
                ping = Ping(document)
                outcome[file] = ("superseded", "")
                key = (uploaded or datetime.min.replace(tzinfo=UTC), path.name, at)
                best = newest.get((ping.who, ping.at))
                if best is None or best[0] < key:
                    newest[ping.who, ping.at] = (key, file, ping)
    for _, file, _ in newest.values():
        outcome[file] = ("accepted", "")
    pings = sorted((ping for _, _, ping in newest.values()), key=lambda ping: ping.at)
    return outcome, pings


def is_complete(month, pings):
    year, number = int(month[:4]), int(month[5:7])
    end = max(ping.at for ping in pings)
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC) <= end


def monthly_values(pings, key_path, frame):
    """The last ping of each month with the monthly value of a metric, by time."""
    last = {(ping.who, ping.month): ping for ping in pings}
    before = {}
    for (who, _), ping in sorted(last.items(), key=lambda item: item[0][1]):
        value = ping.valid(key_path)
        if value is None or frame in ("7d", "none"):
            continue
        if frame == "all":
            previous, before[who] = before.get(who), value
            if previous is None:
                continue
            value = max(0, value - previous)
        yield ping, value


def recount(folder):
    """The rows of all tables, as sorted lists of lists of texts."""
    tables = defaultdict(list)
    outcome, pings = read(folder)
    tables["ping_uploads"] = [[file, *found] for file, found in outcome.items()]
    last = {(ping.who, ping.month): ping for ping in pings}
    numbers = [path for path in metric_paths() if path[2] in ("number", None)]

    kinds = defaultdict(int)
    for ping in pings:
        for key_path, frame, value_type in metric_paths():
            there, value = ping.get(key_path)
            if there:
                kinds[key_path, kind_of(value, value_type)] += 1
    tables["kinds"] = [[*key, count] for key, count in kinds.items()]

    monthly = defaultdict(list)
    for key_path, frame, _ in numbers:
        for ping, value in monthly_values(pings, key_path, frame):
            monthly[ping.month, key_path, ping.edition, ping.deployment, ping.tier, frame].append(value)

    recorded = defaultdict(int)
    for key, values in monthly.items():
        complete = is_complete(key[0], pings)
        active = sum(value > 0 for value in values)
        tables["ping_recorded"].append([*key, complete, len(values), active, fits(sum(values))])
        if complete:
            recorded[key[:4]] += sum(values)

    releases = None
    if (Path(folder) / "releases.csv").exists():
        rows = csv.DictReader(open(Path(folder) / "releases.csv"))
        releases = {number_of(r["major_minor"])[0] if "." in r["major_minor"] else int(r["major_minor"]) for r in rows}
    seen = defaultdict(set)
    for ping in pings:
        known = ping.versions and (releases is None or ping.versions[0] in releases)
        if ping.deployment != "saas" and known:
            for key_path in paths():
                if ping.get(key_path)[0]:
                    seen[key_path, ping.edition, ping.versions[1]].add(ping.versions[0])
    windows = {key: (min(versions), max(versions)) for key, versions in seen.items()}
    tables["ping_windows"] = [[*key, *window] for key, window in windows.items()]

    billing = list(csv.DictReader(open(Path(folder) / "subscriptions.csv")))
    population = defaultdict(dict)
    for month in {ping.month for ping in pings} | {row["month"] + "-01" for row in billing}:
        rows = [row for row in billing if row["month"] + "-01" == month]
        of_pings = [p for (_, m), p in last.items() if m == month and p.deployment != "saas"]
        named = {p.document["license_subscription_id"] for p in of_pings if "license_subscription_id" in p.document}
        for name in {row["subscription_id"] for row in rows} | named:
            own = [row for row in rows if row["subscription_id"] == name]
            billed = [row for row in own if row["status"] in ("Active", "Cancelled")
                      and (row["uuid"], row["hostname"]) != SAAS]
            if own and not billed:
                continue
            places = {(row["uuid"], row["hostname"] or None) for row in billed if row["uuid"]}
            theirs = [p for p in of_pings
                      if p.document.get("license_subscription_id") == name or p.who in places]
            silent = places - {p.who for p in theirs}
            dedicated = any(p.deployment == "dedicated" for p in theirs)
            dedicated = dedicated or any(is_dedicated_host(hostname) for _, hostname in silent)
            versions = {p.document["version"] for p in theirs if "version" in p.document}
            versions = versions or {row["version"] for row in billed if row["version"]}
            seats = [int(row["seats"] or 0) for row in billed]
            seats = seats or [p.document.get("license_user_count", 0) for p in theirs]
            deployment = "dedicated" if dedicated else "self_managed"
            population[month, deployment][name] = (max(seats), versions, theirs)
            listed = "[" + ", ".join(sorted(versions)) + "]"
            source = "billing" if billed else "ping"
            tables["ping_population"].append([month, name, deployment, max(seats), source, listed])

    for (month, key_path, edition, deployment), total in recorded.items():
        row = [month, key_path, edition, deployment]
        everyone = population.get((month, deployment), {}).values()
        on_window = lambda number, pre: (key_path, edition, pre) in windows and (
            windows[key_path, edition, pre][0] <= number <= windows[key_path, edition, pre][1])
        for condition in ["version_check", "reported"]:
            fitting = []
            for name, (seats, versions, theirs) in population.get((month, deployment), {}).items():
                if condition == "reported":
                    counts = any(p.valid(key_path) is not None for p in theirs)
                else:
                    counts = any(on_window(*number_of(version)) for version in versions if number_of(version))
                fitting += [seats] if counts else []
                listed = "[" + ", ".join(sorted(versions)) + "]"
                tables["ping_estimate_subscriptions"].append([*row, condition, name, seats, counts, listed])
            for measure in ["subscriptions", "seats"]:
                part = share(measure, fitting, everyone, deployment)
                # A share of 0 leaves what was recorded.
                whole = fits(total) if part[0] == 0 else raised(total, *part)
                estimated = "" if "" in (whole, fits(total)) else whole - total
                tables["ping_estimates"].append([*row, condition, measure, *part, fits(total), estimated, whole])
        of_fleet = [p for (_, m), p in last.items() if (m, p.edition, p.deployment) == (month, edition, deployment)]
        current = sum(1 for p in of_fleet if p.versions and on_window(*p.versions))
        part = ("", "") if deployment == "saas" else (current, len(of_fleet))
        tables["ping_predictions"].append([*row, "current_version", "installations", *part, fits(total),
                                           raised(total, *part)])
        with_ping = [seats for seats, _, theirs in everyone if theirs]
        for measure in ["subscriptions", "seats"]:
            part = share(measure, with_ping, everyone, deployment)
            tables["ping_predictions"].append([*row, "all_reported", measure, *part, fits(total), raised(total, *part)])
    return tables


def share(measure, seats, everyone, deployment):
    """Numerator and denominator; nothing for the SaaS installation, or if one does not fit."""
    count = len if measure == "subscriptions" else sum
    part = (count(seats), count([seats for seats, _, _ in everyone]))
    return ("", "") if deployment == "saas" or "" in map(fits, part) else part


def raised(total, numerator, denominator):
    """The total divided by a share, rounded half up; nothing if there is no such number."""
    if fits(total) == "" or numerator == 0:
        return ""
    if numerator == "":
        # Without numbers it is the SaaS installation: no seats here are too large.
        return total
    return fits(int(Fraction(total * denominator, numerator) + Fraction(1, 2)))


def fits(number):
    """The number, or nothing if it is above 2^63 - 1."""
    return number if number < 2**63 else ""


def kind_of(value, value_type):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        special = {-1: "timeout", -2: "error", -1000: "deprecated"}
        if value in special:
            return special[value]
        if value < 0:
            return "negative"
        if value >= 2**63:
            return "too_large"
        return "valid" if value_type in ("number", None) else "not_a_number"
    return {float: "fraction", str: "string", type(None): "null"}.get(type(value), "not_a_number")


# Comparing.

COLUMNS = {
    "ping_uploads": "SELECT file, outcome, reason FROM ping_uploads",
    "kinds": "SELECT key_path, kind, count(*) FROM ping_values WHERE key_path IN ({paths}) GROUP BY key_path, kind",
    "ping_recorded": "SELECT month, key_path, edition, deployment, tier, time_frame, complete, installations, "
                     "installations_active, recorded FROM ping_recorded",
    "ping_windows": "SELECT * FROM ping_windows",
    "ping_population": "SELECT * FROM ping_population",
    "ping_estimates": "SELECT month, key_path, edition, deployment, condition, measure, numerator, denominator, "
                      "recorded, estimated, total FROM ping_estimates",
    "ping_predictions": "SELECT * FROM ping_predictions",
    "ping_estimate_subscriptions": "SELECT month, key_path, edition, deployment, condition, subscription_id, seats, "
                                   "counted, versions FROM ping_estimate_subscriptions",
}


def compare(program, folder, expected, when):
    """Compares all tables with those that PROGRAM prints; returns the number of rows."""
    compared = 0
    listed = ", ".join(f"'{path}'" for path in paths())
    for table, sql in COLUMNS.items():
        ran = run(program, folder, "sql", "--format", "csv", "-c", sql.replace("{paths}", listed))
        theirs = sorted(list(csv.reader(io.StringIO(ran.stdout)))[1:])
        text = {True: "true", False: "false", None: ""}
        ours = sorted([text[v] if isinstance(v, bool) else str(v) for v in row] for row in expected[table])
        compared += len(ours)
        if ours != theirs:
            missing = [row for row in ours if row not in theirs]
            more = [row for row in theirs if row not in ours]
            sys.exit(f"{when}, {table}: recounted {missing[:5]}, printed {more[:5]}")
    return compared


def run(program, folder, *arguments):
    ran = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    if ran.returncode not in (0, 3):
        sys.exit(f"{folder}: {arguments}: {ran.stdout}{ran.stderr}")
    return ran


def check(program, seed):
    """Compares all tables of a seed, from files and from a store that they get into in random order;
    returns the number of rows."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        make(rng, folder)
        expected = recount(folder)
        compared = compare(program, folder, expected, f"seed {seed}, files")
        files = sorted((Path(folder) / "pings").iterdir())
        rng.shuffle(files)
        for _ in range(rng.choice([0, 3])):
            # Killed at any moment; what it had begun must not be seen.
            process = subprocess.Popen([program, "ingest", "--memory-limit", "16MiB"], cwd=folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, 0.08))
            process.kill()
            process.wait()
            compared += compare(program, folder, expected, f"seed {seed}, killed")
        while files:
            count = rng.randint(1, len(files))
            late, files = files[:count], files[count:]
            limit = rng.choice(["16MiB", "1GiB"])
            names = [f"pings/{file.name}" for file in late]
            run(program, folder, "ingest", "--memory-limit", limit, *names)
            if rng.random() < 0.3:
                run(program, folder, "store", "compact")
            if rng.random() < 0.5 or not files:
                compared += compare(program, folder, expected, f"seed {seed}, store and {len(files)} files")
        run(program, folder, "store", "verify")
        # The files are not needed any more, but for those that were added since.
        # Of two files with the same content the store has only one, with its name.
        files = sorted((Path(folder) / "pings").iterdir())
        contents = [file.read_bytes() for file in files]
        single = [file for file, content in zip(files, contents) if contents.count(content) == 1]
        gone = rng.sample(single, 2)
        for file in gone:
            file.unlink()
        compared += compare(program, folder, expected, f"seed {seed}, store without some files")
    return compared


def main():
    program, first, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rows = sum(check(program, seed) for seed in range(first, first + seeds))
    print(f"{rows} rows of {seeds} fleets agree")


if __name__ == "__main__":
    main()
