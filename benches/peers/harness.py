"""What the comparisons share: the engines' environment, the data, measured runs, tables."""

import csv
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def add_options(parser):
    """The options that every comparison of events has."""
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--users", type=int, default=5_000_000)
    parser.add_argument("--months", type=int, default=12)
    add_run_options(parser)


def add_run_options(parser):
    """The options that every comparison has."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("/tmp/headcount-peers"),
                        help="folder that keeps the environment, the data and the tables")
    parser.add_argument("--program", type=Path, help="headcount, if it is not to be built")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS",
                        help="a run that takes longer is stopped and shown as failed")
    parser.add_argument("--memory-cap", type=float, default=memory_mb() - 2000, metavar="MB",
                        help="a run that takes more is stopped and shown as failed "
                             "[default: the machine's memory less 2 GB]")
    parser.add_argument("--targets", nargs="?", type=Path, const=HERE / "targets.csv",
                        metavar="FILE", help="compare with target ratios [without FILE: targets.csv]")


def memory_mb():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6


def environment_of(work):
    """The Python that has the pinned engines; made when it is not there or has other pins."""
    folder = work / "venv"
    wanted = (HERE / "requirements.txt").read_text()
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        pip = [folder / "bin/pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
        subprocess.run(pip, check=True)
        mark.write_text(wanted)
    return folder / "bin/python"


def program_of(options):
    """The program headcount; built when none is named."""
    if options.program is not None:
        return options.program.resolve()
    subprocess.run(["cargo", "build", "--release", "--workspace"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/headcount"


def data_of(options, ids):
    """The folder of a generated data set; made when it is not there, and kept."""
    name = f"events-{options.events}-{options.users}-{options.months}"
    name += "" if ids == "dense" else f"-{ids}"
    name += "" if options.seed == 1 else f"-seed{options.seed}"
    folder = options.work / name
    if not (folder / "headcount.yaml").exists():
        generate(options, ids, options.events, options.seed, folder)
    return folder


def generate(options, ids, events, seed, folder):
    subprocess.run(
        [program_of(options), "generate", "--events", str(events), "--users", str(options.users),
         "--months", str(options.months), "--ids", ids, "--seed", str(seed), "-o", folder],
        check=True)


def warm(folder):
    """Reads all files once, so that no engine waits for the disk."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


def measured(options, command, out):
    """Runs a command with its output in the file `out`: seconds, cpu_seconds, peak_mb, failure."""
    result = f"{out}.measured"
    limits = [options.timeout, options.memory_cap, options.threads]
    threads = str(options.threads)
    subprocess.run(
        [sys.executable, "-I", "-S", HERE / "measure.py", result, out, *map(str, limits),
         *map(str, command)],
        check=True,
        env={**os.environ, "POLARS_MAX_THREADS": threads, "RAYON_NUM_THREADS": threads})
    run = json.loads(Path(result).read_text())
    if run["failure"]:
        log = Path(f"{out}.log").read_text(errors="replace").strip().splitlines()
        run["failure"] += f": {log[-1][:200]}" if log else ""
    return run


def circumstances(options, python, with_headcount, data=None):
    """Lines that say where, with what and on which data it was measured."""
    if data is None:
        data = f"{options.events:,} events, {options.users:,} users, {options.months} months"
    text = Path("/proc/cpuinfo").read_text()
    models = {line.split(":")[1].strip() for line in text.splitlines() if "model name" in line}
    versions = subprocess.run(
        [python, HERE / "ask.py", "--versions"], check=True, capture_output=True, text=True).stdout
    engines = json.loads(versions)
    if with_headcount:
        engines["headcount"] = subprocess.run(
            [program_of(options), "--version"], check=True, capture_output=True,
            text=True).stdout.split()[-1]
    named = ", ".join(f"{engine} {version}" for engine, version in engines.items())
    return [
        f"{data}, seed {options.seed}; {options.threads} threads each; {options.repeats} runs in "
        "turns, none left out; whole processes; warm files.",
        f"{', '.join(sorted(models)) or platform.machine()}, {os.cpu_count()} processors, "
        f"{memory_mb() / 1000:.1f} GB, {platform.system()} {platform.release()}; load before the "
        f"first run {os.getloadavg()[0]:.1f}.",
        f"{named}, Python {platform.python_version()}.",
    ]


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows):
    """Rows of equal keys as a table, numbers to the right."""
    def cell(value):
        return str(value).replace("|", "\\|")
    sides = ["---:" if any(is_number(row[key]) for row in rows) else "---" for key in rows[0]]
    lines = ["| " + " | ".join(map(cell, rows[0])) + " |", "|" + "|".join(sides) + "|"]
    lines += ["| " + " | ".join(map(cell, row.values())) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def is_number(value):
    try:
        float(value)
        return True
    except ValueError:
        return False
