#!/usr/bin/env python3
"""Turns what cairn_bench measured into one JSON document, a Markdown table and plots.

    report.py --dir DIR [--json FILE] [--out DIR] RESULT.json...

RESULT.json are outputs of Google Benchmark (--benchmark_out). DIR is where the files lay. The table goes to
standard output. Exit 1 if a benchmark failed, or none was run. Aims that are missed fail nothing.
"""
import argparse
import datetime
import json
import math
import os
import platform
import shutil
import subprocess
import sys

# Per row: the counter that is compared, its unit, and whether more of it is better.
METRICS = {
    "A1": ("p50_us", "us", False),
    "A": ("appends_per_s", "appends/s", True),
    "B": ("mb_per_s", "MB/s", True),
    "C": ("ns_per_record", "ns/record", False),
    "S": ("mb_per_s", "MB/s", True),
    "O": ("open_ms", "ms", False),
    "T": ("transactions_per_s", "tx/s", True),
    "R": ("recover_ms", "ms", False),
    "M": ("bytes_per_transaction", "bytes", False),
    "G": ("ns_per_commit", "ns/commit", False),
}
# What is a floor, or a part of one, in any row; every other subject but Cairn is a peer.
FLOORS = ("floor", "floor_1_thread", "wakeups", "fio", "fio_dsync", "memcpy_xxh3", "xxh3", "append", "by_hand")
# The order in the table; peers follow.
FIRST = FLOORS + ("cairn", "in_flight", "own_logs")
# Cairn itself in another way of use: no peer.
CAIRN = ("cairn", "in_flight", "own_logs")
LATENCIES = ("p50_us", "p90_us", "p99_us", "p99_9_us")
AIM_BEST_PEER = {16: 2.2, 64: 3.5, 256: 5.0}
AIM_LIMIT = {16: 0.75, 64: 0.60}
AIM_RECORDS_PER_S = 5e6
AIM_TRANSACTIONS_PER_S = 5e5
AIM_OF_APPENDS = 0.8  # T2: of the appends of as many threads
AIM_OTHER_MANAGER = 3.0
AIM_AFTER_SCAN_MS_PER_MILLION = 1000.0
AIM_BYTES_IN_DOUBT = 512
# T2: flushes of the device per transaction. One thread shares none; many do.
AIM_FLUSHES = {1: 1.0, 64: 0.25}
# Durable commits per second of other transaction managers over those of one group commit of the same threads,
# measured once, elsewhere, on such a machine (two resource managers that do nothing).
ELSEWHERE = {
    1: {"Narayana (Artemis AIO, tuned)": 0.79, "Narayana (object store)": 0.46, "Bitronix": 0.65, "Atomikos": 0.38, "LIXA": 0.18, "Enduro/X": 0.07},
    16: {"Narayana (Artemis AIO, tuned)": 0.78, "Narayana (object store)": 0.21, "Bitronix": 0.17, "Atomikos": 0.05, "LIXA": 0.07, "Enduro/X": 0.03},
    64: {"Narayana (Artemis AIO, tuned)": 0.52, "Bitronix": 0.06, "LIXA": 0.04},
    256: {"Narayana (Artemis AIO, tuned)": 0.61},
}


def read_results(paths):
    """{(row, case, subject): {counter: {median, min, max}}}, the contexts, and the errors."""
    subjects, contexts, errors = {}, [], []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        contexts.append(document["context"])
        for entry in document["benchmarks"]:
            key = tuple(entry["run_name"].split("/")[:3])
            if entry.get("error_occurred"):
                errors.append("/".join(key) + ": " + entry["error_message"])
            elif entry["run_type"] == "aggregate":
                add_aggregate(subjects.setdefault(key, {}), entry)
            elif entry.get("repetitions", 1) == 1:
                for statistic in ("median", "min", "max"):
                    add_aggregate(subjects.setdefault(key, {}), {**entry, "aggregate_name": statistic})
    return subjects, contexts, sorted(set(errors))


SHOWN = ("_us", "_per_s", "_per_append", "_per_record", "_per_transaction", "_per_enlistment", "_per_manager", "_per_commit", "_ms", "_mib",
         "_waits")


def add_aggregate(counters, entry):
    if entry["aggregate_name"] not in ("median", "min", "max"):
        return
    for name, value in entry.items():
        if name.endswith(SHOWN) or name == "at":
            counters.setdefault(name, {})[entry["aggregate_name"]] = value


def metric_of(row):
    return METRICS.get(row) or METRICS[row[0]]


def judge(at_most_or_least, aim, found, what):
    """An aim beside what was found. `short_by` is a share of the aim."""
    met = found <= aim if at_most_or_least == "<=" else found < aim if at_most_or_least == "<" else found >= aim
    return {"what": what, "aim": f"{at_most_or_least} {aim:.4g}", "found": found, "met": met,
            "short_by": 0 if met else abs(found - aim) / aim}


class Row:
    """The subjects of one row and case, with the floors of the whole row ("all") beside them."""

    def __init__(self, name, case, subjects):
        self.name, self.case = name, case
        self.metric, self.unit, self.more_is_better = metric_of(name)
        there = {subject: counters for (row, of, subject), counters in subjects.items() if row == name and of in (case, "all")}
        self.subjects = dict(sorted(there.items(), key=lambda item: ((FIRST + (item[0],)).index(item[0]), item[0])))

    def median(self, subject, counter=None):
        return self.subjects.get(subject, {}).get(counter or self.metric, {}).get("median")

    def ratio(self, subject, other):
        mine, theirs = self.median(subject), self.median(other)
        return mine / theirs if mine and theirs else None

    def best_peer(self):
        peers = [subject for subject in self.subjects
                 if subject not in FLOORS and subject not in CAIRN and self.median(subject)]
        return (max if self.more_is_better else min)(peers, key=self.median, default=None)

    def floor(self):
        """What Cairn is held against. Of a scan: the slower one of the device and the hash."""
        if self.name == "S":
            there = [subject for subject in ("fio", "xxh3") if self.median(subject)]
            return min(there, key=self.median, default=None)
        return next((subject for subject in ("floor", "fio", "memcpy_xxh3", "own_logs", "by_hand") if self.median(subject)), None)

    def limit(self):
        """Appends per second if every flush carried one append of each thread, and took no longer than alone."""
        alone = self.median("floor_1_thread", "p50_us")
        return int(self.name[1:]) / alone * 1e6 if alone else None

    def aims(self):
        if not self.median("cairn"):
            return []
        found = []
        against = self.ratio("cairn", self.floor())
        if self.name == "A1":
            found.append(against and judge("<=", 1.05, against, "p50, x the floor's"))
        elif self.name[0] == "A":
            found += self.aims_of_threads(int(self.name[1:]))
        elif self.name == "B":
            if int(self.case.split("B")[0]) >= 4096:
                found.append(against and judge(">=", 0.9, against, "x fio"))
            if self.case.startswith("128B"):
                found.append(judge(">=", AIM_RECORDS_PER_S, self.median("cairn", "records_per_s"), "records/s"))
        elif self.name == "C":
            found.append(against and judge("<=", 2.0, against, "x memcpy + XXH3"))
        elif self.name == "S":
            found.append(against and judge(">=", 0.9, against, f"x the slower one of fio and XXH3 ({self.floor()})"))
        elif self.name == "T1":
            found.append(judge(">=", AIM_TRANSACTIONS_PER_S, self.median("cairn"), "transactions/s"))
        elif self.name == "T2":
            found += self.aims_of_transactions(int(self.case), against)
        elif self.name == "T3":
            mine, theirs = self.flushes("cairn"), self.flushes("own_logs")
            if mine and theirs:
                found.append(judge("<", theirs, mine, "flushes per transaction, those of logs of their own"))
        elif self.name == "R":
            of_a_million = self.median("cairn", "after_scan_ms") * 1e6 / int(self.case)
            found.append(judge("<=", AIM_AFTER_SCAN_MS_PER_MILLION, of_a_million, "ms after the scan, of 1,000,000 in doubt"))
            found.append(judge("<=", AIM_BYTES_IN_DOUBT, self.median("cairn", "bytes_per_transaction"), "bytes per transaction in doubt"))
        return [aim for aim in found if aim]

    def flushes(self, subject):
        return self.median(subject, "flushes_per_append") or self.median(subject, "flushes_per_transaction")

    def aims_of_transactions(self, threads, of_floor):
        if threads == 1 and of_floor:
            yield judge(">=", 1.0, of_floor, "x the floor")
        flushes = self.flushes("cairn")
        if threads in AIM_FLUSHES and flushes:
            yield judge("<=", AIM_FLUSHES[threads], flushes, "flushes of the device per transaction")
        for subject, how in (("cairn", "threads"), ("in_flight", "in flight")):
            of_appends = self.ratio(subject, "append")
            if threads > 1 and of_appends:
                yield judge(">=", AIM_OF_APPENDS, of_appends, f"x the appends of as many threads (A{threads}), {how}")
        best = self.ratio("cairn", self.best_peer())
        if threads in (64, 256) and best:
            yield judge(">=", AIM_OTHER_MANAGER, best, f"x the best other manager that ran here ({self.best_peer()})")

    def aims_of_threads(self, threads):
        # The aims are of the small payload; the larger one is shown beside it.
        if self.case != "128B":
            return
        floor, best, limit = self.ratio("cairn", "floor"), self.ratio("cairn", self.best_peer()), self.limit()
        if floor:
            yield judge(">=", 1.3, floor, "x the floor")
        if best and threads in AIM_BEST_PEER:
            yield judge(">=", AIM_BEST_PEER[threads], best, f"x the best engine ({self.best_peer()})")
        if limit and threads in AIM_LIMIT:
            share = judge(">=", AIM_LIMIT[threads], self.median("cairn") / limit, "of the physical limit")
            # Nobody is faster than the device: then what one flush takes was measured while others slowed it.
            yield {**share, "met": None} if share["found"] > 1.1 else share


def aims_of_opening(rows, subjects):
    """Judged over the cases of row O together: a line through (bytes, time)."""
    points = {"live": [], "ever": []}
    for row in rows:
        kind = row.case.split("-")[0]
        if row.name == "O" and row.median("cairn"):
            points[kind].append((row.median("cairn", kind + "_mib"), row.median("cairn")))
    found = []
    if len(points["ever"]) > 1:
        least, most = min(points["ever"]), max(points["ever"])
        what = f"time at {most[0]:.0f} MiB ever written, x that at {least[0]:.0f} MiB"
        found.append({**judge("<=", 1.2, most[1] / least[1], what), "slope_ms_per_gib": slope(points["ever"]) * 1024})
    scan = subjects.get(("S", "4096B", "cairn"), {}).get("mb_per_s", {}).get("median")
    if len(points["live"]) > 1 and scan:
        least, most = min(points["live"]), max(points["live"])
        scan_ms = (most[0] - least[0]) * 1.048576 / scan * 1e3
        what = f"time for {most[0] - least[0]:.0f} MiB more live, x that of row S for so much"
        found.append({**judge("<=", 1 / 0.9, (most[1] - least[1]) / scan_ms, what), "slope_ms_per_gib": slope(points["live"]) * 1024})
    return found


GROWTHS = {
    "live": ("live transactions", 1), "managers": ("resource managers", 1), "enlistments": ("enlistments in the transaction", None),
    "log_mib": ("MiB in the log", 1)}


def growths(rows):
    """Row G: the exponent b of a fit cost = a * n^b over each kind of surroundings, and its name. Of the enlistments of the transaction itself
    the cost is linear, so that of each of them is what must be flat."""
    found = []
    for kind, (what, per) in GROWTHS.items():
        of_kind = [row for row in rows if row.name == "G" and row.case.rsplit("-", 1)[0] == kind]
        points = sorted((subject.get("at", {}).get("median"), subject["ns_per_commit"]["median"])
                        for row in of_kind for subject in row.subjects.values() if "at" in subject)
        if len(points) < 2:
            continue
        exponent = slope([(math.log(at), math.log(cost)) for at, cost in points])
        name = "flat" if exponent < 0.15 else "less than linear" if exponent < 0.85 else "linear" if exponent < 1.15 else "WORSE THAN LINEAR"
        found.append({"kind": kind, "what": what, "points": points, "exponent": exponent, "name": name,
                      "met": exponent < (0.15 if per else 1.15)})
    return found


def slope(points):
    """Least squares, of the second by the first."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return (sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points))


def first_line_with(path, start):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(start)), "")


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine(directory, contexts):
    source, kind, options = (output_of("findmnt", "-nro", "SOURCE,FSTYPE,OPTIONS", "-T", directory) + "   ").split(" ")[:3]
    device = contexts[0].get("device", "")
    block = f"/sys/block/{device}/queue/"
    facts = {name: open(block + name, encoding="utf-8").read().strip()
             for name in ("write_cache", "fua", "physical_block_size", "scheduler")
             if device and os.path.exists(block + name)}
    facts["name"] = device
    standard = ("date", "host_name", "executable", "num_cpus", "mhz_per_cpu", "cpu_scaling_enabled", "caches", "load_avg",
                "library_build_type", "device", "flushes_unavailable", "json_schema_version")
    return {
        "cpu": first_line_with("/proc/cpuinfo", "model name"),
        "cpus": contexts[0].get("num_cpus"),
        "load_avg": [context.get("load_avg", []) for context in contexts],
        "kernel": platform.release(),
        "memory": first_line_with("/proc/meminfo", "MemTotal"),
        "file_system": {"source": source, "type": kind, "options": options},
        "device": facts,
        "flushes_unavailable": contexts[0].get("flushes_unavailable", ""),
        "versions": {**{name: value for name, value in contexts[0].items() if name not in standard},
                     "fio": output_of("fio", "--version")},
    }


def make_document(subjects, contexts, errors, directory):
    cases = sorted({(row, case) for row, case, _ in subjects}, key=order_of)
    rows = [Row(name, case, subjects) for name, case in cases]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(directory, contexts),
        "errors": errors,
        "rows": [describe_row(row, subjects) for row in rows],
        "opening": aims_of_opening(rows, subjects),
        "growth": growths(rows),
        "elsewhere": ELSEWHERE,
    }


def order_of(row_and_case):
    """A4 before A16, 128B before 4096B."""
    def numbers(text):
        return [int(digits) for digits in "".join(c if c.isdigit() else " " for c in text).split()]
    row, case = row_and_case
    return row[0], numbers(row), case != "all", case.rsplit("-", 1)[0] if row in ("O", "G") else "", numbers(case)


def describe_row(row, everything):
    described = {"row": row.name, "case": row.case, "metric": row.metric, "unit": row.unit, "aims": row.aims(),
                 "floor": row.floor(), "best_peer": row.best_peer(), "subjects": {}}
    if row.name[0] == "A" and row.limit():
        described["physical_limit"] = row.limit()
    for name, counters in row.subjects.items():
        value = counters.get(row.metric, {})
        if not value:
            continue
        described["subjects"][name] = {
            **value, "unit": row.unit, "of_all_cases": (row.name, "all", name) in everything, "ratio_to_floor": row.ratio(name, row.floor()),
            "ratio_to_best_peer": row.ratio(name, row.best_peer()),
            "flushes_per_append": row.flushes(name), "counters": counters}
    return described


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def aim_text(aim):
    if aim["met"] is None:
        return f"{aim['what']}: {number(aim['found'])}, aim {aim['aim']}: no verdict, more than there is: the floor was disturbed"
    verdict = "met" if aim["met"] else f"**short by {aim['short_by']:.0%}**"
    return f"{aim['what']}: {number(aim['found'])}, aim {aim['aim']}: {verdict}"


def markdown(document):
    facts = document["machine"]
    system, device = facts["file_system"], facts["device"]
    lines = [
        f"Measured {document['date']}: {facts['cpus']} x {facts['cpu']}, {facts['memory']}, Linux {facts['kernel']}, "
        f"{system['type']} ({system['options']}) on {device['name']} ({device.get('write_cache', '?')}).",
        "Versions: " + ", ".join(f"{name} {value}" for name, value in facts["versions"].items()) + "."]
    if facts["flushes_unavailable"]:
        lines.append(f"Flush counts are not available: {facts['flushes_unavailable']}.")
    # Of the first row: what comes later is the load that the rows made themselves.
    load = next((load[0] for load in facts["load_avg"] if load), 0)
    if load > facts["cpus"]:
        lines.append(f"Disturbed: the load was {load:.1f} on {facts['cpus']} CPUs when it began.")
    lines += [f"FAILED: {error}" for error in document["errors"]]
    lines += ["", "| row | subject | median | min - max | unit | x floor | x best peer | flushes each | p50 us | p90 | p99 | p99.9 |",
              "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in document["rows"]:
        for name, subject in row["subjects"].items():
            if subject["of_all_cases"] and row["case"] != "all":
                continue
            latencies = [number(subject["counters"].get(latency, {}).get("median")) for latency in LATENCIES]
            cells = [f"{row['row']} {row['case']}", name, number(subject["median"]),
                     f"{number(subject['min'])} - {number(subject['max'])}", subject["unit"], number(subject["ratio_to_floor"]),
                     number(subject["ratio_to_best_peer"]), number(subject["flushes_per_append"]), *latencies]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Aims:", ""]
    lines += [f"- {row['row']} {row['case']}: {aim_text(aim)}" for row in document["rows"] for aim in row["aims"]]
    lines += [f"- O: {aim_text(aim)} (slope {aim['slope_ms_per_gib']:.3g} ms per GiB)" for aim in document["opening"]]
    lines += postgres_text(document) + memory_text(document) + growth_text(document) + elsewhere_text(document)
    return "\n".join(lines) + "\n"


def postgres_text(document):
    """What Cairn adds to the same two-phase commit by hand, which nobody could recover."""
    lines = []
    for row in document["rows"]:
        if row["row"] != "T2P" or not {"cairn", "by_hand"} <= set(row["subjects"]):
            continue
        mine, floor = (row["subjects"][name]["counters"] for name in ("cairn", "by_hand"))
        lines.append(f"- T2P {row['case']} threads: {number(mine['transactions_per_s']['median'])} commits/s, "
                     f"{mine['transactions_per_s']['median'] / floor['transactions_per_s']['median']:.2f} of those by hand; "
                     f"{mine['p50_us']['median'] - floor['p50_us']['median']:+.0f} us per commit (p50)")
    return ["", "Two databases of PostgreSQL, beside the same two-phase commit by hand:", ""] + lines if lines else []


def memory_text(document):
    rows = [row for row in document["rows"] if row["row"] in ("M", "R")]
    lines = ["", "Memory, and recovery of what is in doubt:", ""] if rows else []
    for row in rows:
        counters = {name: value["median"] for name, value in row["subjects"]["cairn"]["counters"].items()}
        lines.append(f"- {row['row']} {row['case']}: " + ", ".join(f"{name} {number(value)}" for name, value in sorted(counters.items())))
    return lines


def growth_text(document):
    lines = []
    for growth in document["growth"]:
        lines += ["", f"Cost of a commit by {growth['what']}: {growth['name']} (n^{growth['exponent']:.2f})", "",
                  f"| {growth['what']} | ns/commit | ns each |", "|---|---|---|"]
        each = growth["kind"] == "enlistments"
        lines += [f"| {at:,.0f} | {number(cost)} | {number(cost / at) if each else ''} |" for at, cost in growth["points"]]
    return lines


def elsewhere_text(document):
    of_row = [row for row in document["rows"] if row["row"] == "T2" and "append" in row["subjects"] and "cairn" in row["subjects"]]
    lines = ["", "Other transaction managers, over one group commit of as many threads, MEASURED ELSEWHERE (bench/README.md); Cairn's is of this run:", "",
             "| threads | Cairn | in flight | others |", "|---|---|---|---|"] if of_row else []
    for row in of_row:
        appends = row["subjects"]["append"]["median"]
        ours = [number(row["subjects"][name]["median"] / appends) if name in row["subjects"] else "" for name in ("cairn", "in_flight")]
        others = ", ".join(f"{name} {ratio}" for name, ratio in document["elsewhere"].get(int(row["case"]), {}).items())
        lines.append(f"| {row['case']} | {ours[0]} | {ours[1]} | {others} |")
    return lines


def gnuplot(script, path):
    subprocess.run(["gnuplot"], input=f"set terminal svg size 900,600 background 'white'\nset output '{path}'\n{script}",
                   text=True, check=True)


def write_plots(document, directory):
    """Threads against appends per second, and latencies of each number of threads; per payload."""
    rows = [row for row in document["rows"] if row["row"][0] == "A"]
    for case in sorted({row["case"] for row in rows}):
        of_case = [row for row in rows if row["case"] == case]
        rates = {}
        for row in of_case:
            for name, subject in row["subjects"].items():
                if name != "floor_1_thread":
                    rates.setdefault(name, []).append((row["row"][1:], subject["counters"]["appends_per_s"]))
        blocks, plots = [], []
        for name, points in rates.items():
            lines = [f"{threads} {value['median']} {value['min']} {value['max']}" for threads, value in points]
            blocks.append(f"${name} << EOD\n" + "\n".join(lines) + "\nEOD")
            plots.append(f"${name} using 1:2:3:4 with yerrorlines lw 2 title '{name}' noenhanced")
        gnuplot("\n".join(blocks) + "\nset logscale xy\nset grid\nset key left top\nset xtics (1,4,16,64,256)\n"
                f"set xlabel 'threads'\nset ylabel 'durable appends per second'\nset title 'durable appends of {case}'\n"
                "set xrange [0.8:320]\nplot " + ", ".join(plots), os.path.join(directory, f"appends-{case}.svg"))
        for row in of_case:
            write_latencies(row, directory)


def write_transaction_plots(document, directory):
    """Threads against transactions per second, per row; and each growth, with its slope in the title."""
    for name in ("T2", "T3"):
        rates = {}
        for row in document["rows"]:
            if row["row"] == name:
                for subject, value in row["subjects"].items():
                    rates.setdefault(subject, []).append(f"{row['case']} {value['median']} {value['min']} {value['max']}")
        if rates:
            blocks = [f"${subject} << EOD\n" + "\n".join(points) + "\nEOD" for subject, points in rates.items()]
            plots = [f"${subject} using 1:2:3:4 with yerrorlines lw 2 title '{subject}' noenhanced" for subject in rates]
            gnuplot("\n".join(blocks) + "\nset logscale xy\nset grid\nset key left top\nset xtics (1,4,16,64,256)\n"
                    f"set xlabel 'threads'\nset ylabel 'per second'\nset title 'row {name}'\nset xrange [0.8:320]\nplot " + ", ".join(plots),
                    os.path.join(directory, f"transactions-{name}.svg"))
    for growth in document["growth"]:
        points = "\n".join(f"{at} {cost}" for at, cost in growth["points"])
        gnuplot(f"$points << EOD\n{points}\nEOD\nset logscale xy\nset grid\nunset key\nset xlabel '{growth['what']}'\n"
                f"set ylabel 'nanoseconds per commit'\nset title '{growth['name']}: n^{{{growth['exponent']:.2f}}}'\nset yrange [*<100:1000<*]\n"
                "plot $points using 1:2 with linespoints lw 2", os.path.join(directory, f"growth-{growth['kind']}.svg"))


def write_latencies(row, directory):
    blocks, plots = [], []
    for name, subject in row["subjects"].items():
        points = [f"{at} {subject['counters'][latency]['median']}" for at, latency in enumerate(LATENCIES)]
        blocks.append(f"${name} << EOD\n" + "\n".join(points) + "\nEOD")
        plots.append(f"${name} using 1:2 with linespoints lw 2 title '{name}' noenhanced")
    gnuplot("\n".join(blocks) + "\nset logscale y\nset grid\nset key left top\nset xrange [-0.2:3.2]\n"
            "set xtics ('p50' 0, 'p90' 1, 'p99' 2, 'p99.9' 3)\nset ylabel 'microseconds until durable'\n"
            f"set title '{row['row'][1:]} threads, {row['case']}'\nplot " + ", ".join(plots),
            os.path.join(directory, f"latency-{row['row']}-{row['case']}.svg"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--json")
    parser.add_argument("--out")
    parser.add_argument("results", nargs="+")
    options = parser.parse_args()
    subjects, contexts, errors = read_results(options.results)
    document = make_document(subjects, contexts, errors, options.dir)
    table = markdown(document)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    if options.out:
        os.makedirs(options.out, exist_ok=True)
        with open(os.path.join(options.out, "bench.md"), "w", encoding="utf-8") as file:
            file.write(table)
        if shutil.which("gnuplot"):
            write_plots(document, options.out)
            write_transaction_plots(document, options.out)
        else:
            print("report.py: no gnuplot here, so no plots", file=sys.stderr)
    sys.stdout.write(table)
    return 1 if errors or not subjects else 0


if __name__ == "__main__":
    sys.exit(main())
