"""Monthly users of the invented exports in tests/fixtures/exports, counted by hand.

usage: exports.py FOLDER PRODUCT

Prints a JSON object: the number of users by "YYYY-MM-01", or "YYYY-MM-01 NAME" where NAME is a stage
(segment) or an event (the others).
"""

import datetime
import json
import pathlib
import sys


def objects(folder, pattern):
    for file in sorted(folder.glob(pattern)):
        for line in file.read_text().splitlines():
            yield json.loads(line)


def from_seconds(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def segment(folder):
    stages = {"File Modified": "create", "file_modified": "create", "Comment Added": "create", "Board Viewed": "plan"}
    for event in objects(folder, "*.ndjson"):
        if event["type"] == "track":
            user = event["userId"] or event["anonymousId"]
            yield event["timestamp"], user, stages[event["event"]]


def posthog(folder):
    for event in objects(folder, "*.jsonl"):
        if not event["event"].startswith("$"):
            yield event["timestamp"], event["person_id"], event["event"]


def amplitude(folder):
    for event in objects(folder, "*.json"):
        if not event["event_type"].startswith("session_"):
            yield event["event_time"], event["amplitude_id"], event["event_type"]


def mixpanel(folder):
    for event in objects(folder, "*.jsonl"):
        properties = event["properties"]
        if properties["distinct_id"]:
            yield from_seconds(properties["time"]).isoformat(), properties["distinct_id"], event["event"]


def snowplow(folder):
    for file in sorted(folder.glob("*.tsv")):
        for line in file.read_text().splitlines():
            fields = line.split("\t")
            assert len(fields) == 131
            if fields[5] == "struct":
                yield fields[124], fields[12] or fields[15], fields[54]


def stripe(folder):
    for event in objects(folder, "*.jsonl"):
        customer = event["data"]["object"]["customer"]
        if event["livemode"] and customer:
            yield from_seconds(event["created"]).isoformat(), customer, event["type"].replace(".", "_")


def postgresql(folder):
    for file in sorted(folder.glob("*.tsv")):
        for line in file.read_text().splitlines():
            _, user, event, time, _, _ = line.split("\t")
            time = datetime.datetime.fromisoformat(time + ":00").astimezone(datetime.timezone.utc)
            yield time.isoformat(), user, event


users = {}
for time, user, name in globals()[sys.argv[2]](pathlib.Path(sys.argv[1])):
    month = time[:7] + "-01"
    for key in (month, f"{month} {name}"):
        users.setdefault(key, set()).add(user)
print(json.dumps({key: len(found) for key, found in users.items()}))
