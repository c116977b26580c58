"""Loads: commands fed through `redis-cli --pipe`, and redis-benchmark on two servers in turns.

What counts is the CPU time per operation of the server's process. Both servers run beside each other, the same load goes to
A, B, A, B, ..., and the figure is the median of the pairs' ratios: what else the machine does meets both alike. Our checkpoints
and their compaction are threads, and count; Redis's rewriting of its append-only file is a child, which does not: what it
takes, and the ratio with it, is shown besides.
"""

import os
import re
import resource
import statistics
import subprocess
from pathlib import Path

from . import watch


def feed(server, blocks):
    """Sends commands (blocks of RESP bytes) through one pipeline; each must be answered without an error."""
    with subprocess.Popen(["redis-cli", "-h", "127.0.0.1", "-p", str(server.port), "--pipe"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as pipe:
        for block in blocks:
            pipe.stdin.write(block)
        output = pipe.communicate()[0].decode()
    if "errors: 0" not in output:
        raise SystemExit(f"cannot load: {output}")


def benchmark_command(server, what, depth, count, clients=50, threads=1):
    """`what`: more options of redis-benchmark, or the words of a command, which come last."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-n", str(count), "-c", str(clients), "-P",
               str(depth), "-q"]
    if threads > 1:
        command += ["--threads", str(threads)]
    return command + [str(word) for word in what]


def benchmark(server, command, count):
    """Runs it; returns what an operation cost."""
    cpu_before, children_before = watch.exact_cpu_seconds(server), watch.children_cpu_seconds(server)
    client_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=300)
    cpu, children = watch.exact_cpu_seconds(server) - cpu_before, watch.children_cpu_seconds(server) - children_before
    client_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rates = re.findall(r"([\d.]+) requests per second", done.stdout)
    if not rates:
        raise SystemExit(f"redis-benchmark failed: {done.stdout}")
    client = (client_after.ru_utime + client_after.ru_stime) - (client_before.ru_utime + client_before.ru_stime)
    rate = float(rates[-1])
    return {"server_us": cpu / count * 1e6, "children_us": children / count * 1e6, "ops_per_second": rate,
            "client_us": client / count * 1e6, "client_cores": client / (count / rate)}


def row_of(name, depth, count, pairs, target):
    """What pairs of (ours, theirs) say."""
    def median(side, figure):
        return statistics.median(pair[side][figure] for pair in pairs)

    def with_children(figures):
        return figures["server_us"] + figures.get("children_us", 0.0)
    ratios = [pair[0]["server_us"] / pair[1]["server_us"] for pair in pairs]
    ratios_with_children = [with_children(pair[0]) / with_children(pair[1]) for pair in pairs]
    speeds = [pair[0]["ops_per_second"] / pair[1]["ops_per_second"] for pair in pairs]
    return {"test": name, "depth": depth, "operations": count, "pairs": len(pairs),
            "diskdb": {figure: median(0, figure) for figure in pairs[0][0]},
            "redis": {figure: median(1, figure) for figure in pairs[0][1]},
            "cpu_ratio": statistics.median(ratios), "cpu_ratio_least": min(ratios), "cpu_ratio_most": max(ratios),
            "ratio_with_children": statistics.median(ratios_with_children),
            "speed_ratio": statistics.median(speeds), "target": target}


def header(width=10):
    return (f"{'load':<{width}} {'CPU us/op':>9} {'Redis':>7} {'+child':>6} {'ratio':>6} {'(least-most)':>13} {'bound':>6} "
            f"{'+child':>7}   {'k ops/s':>8} {'Redis':>7} {'ratio':>6}   {'client us/op, cores':>20}")


def show(row, width=10):
    ours, theirs = row["diskdb"], row["redis"]
    spread = f"{row['cpu_ratio_least']:.2f}-{row['cpu_ratio_most']:.2f}"
    bound = "" if row["target"] is None else f"{row['target']:.2f}" + ("" if row["cpu_ratio"] <= row["target"] else "!")
    return (f"{row['test']:<{width - 4}}{row['depth']:>4} {ours['server_us']:>9.2f} {theirs['server_us']:>7.2f} "
            f"{theirs.get('children_us', 0.0):>6.2f} {row['cpu_ratio']:>6.2f} {spread:>13} {bound:>6} "
            f"{row['ratio_with_children']:>7.2f}   {ours['ops_per_second'] / 1000:>8.0f} "
            f"{theirs['ops_per_second'] / 1000:>7.0f} {row['speed_ratio']:>6.2f}   {ours['client_us']:>12.2f}, "
            f"{ours['client_cores']:.2f}")


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} x {model.group(1) if model else 'unknown'}, Linux {os.uname().release}"
