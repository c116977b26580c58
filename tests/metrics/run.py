#!/usr/bin/python3
"""The HTTP port: /metrics as Prometheus's own library reads it, /healthz, /readyz, and clients that misbehave; that the
dashboard and the alerts of deploy/ name only what is exported; and the server's log as JSON.
"""

import argparse
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from lib import servers  # noqa: E402
from lib.report import Report  # noqa: E402

NAME = re.compile(r"diskdb_[a-z0-9_]+")


def http(port, request, seconds=20):
    """The raw answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def get(port, path):
    """Status and body."""
    head, _, body = http(port, b"GET %s HTTP/1.1\r\nHost: here\r\n\r\n" % path.encode()).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert int(headers["Content-Length"]) == len(body), "the length is wrong"
    return int(lines[0].split()[1]), body.decode(), headers


class Metrics:
    """One scrape."""

    def __init__(self, port, report=None):
        status, self.text, headers = get(port, "/metrics")
        assert status == 200
        self.families = list(text_string_to_metric_families(self.text))
        self.values = {}
        for family in self.families:
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                if report is not None:
                    report.check(key not in self.values, f"{sample.name} has each set of labels once", str(key))
                self.values[key] = sample.value
        self.names = {name for name, _ in self.values}
        if report is not None:
            report.equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "the type of /metrics")

    def __getitem__(self, name_and_labels):
        name, labels = name_and_labels
        return self.values.get((name, tuple(sorted(labels.items()))), 0)


def check_format(report, metrics):
    lines = metrics.text.splitlines()
    report.check(metrics.text.endswith("\n"), "the text ends with a line end")
    helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    report.equal(helped, typed, "each family has HELP and TYPE")
    report.equal(len(set(typed)), len(typed), "each family comes once")
    for family in metrics.families:
        if family.type == "counter":  # the library takes _total off
            names = {sample.name for sample in family.samples}
            report.check(all(name.endswith("_total") for name in names), f"{family.name} ends in _total", str(names))
        report.check(family.type in ("counter", "gauge", "histogram"), f"{family.name} has a type", family.type)
        report.check(bool(family.documentation), f"{family.name} has a text")


def check_histograms(report, metrics):
    commands = [dict(labels)["cmd"] for name, labels in metrics.values if name == "diskdb_command_duration_seconds_count"]
    report.check("get" in commands and "config|set" in commands, "commands have histograms", str(commands))
    for cmd in commands:
        buckets = sorted((float(dict(labels)["le"]), value) for (name, labels), value in metrics.values.items()
                         if name == "diskdb_command_duration_seconds_bucket" and dict(labels)["cmd"] == cmd)
        counts = [count for _, count in buckets]
        report.check(counts == sorted(counts), f"{cmd}: buckets grow", str(buckets))
        report.equal(buckets[-1], (float("inf"), metrics["diskdb_command_duration_seconds_count", {"cmd": cmd}]),
                     f"{cmd}: the last bucket is the count")
        bounds = [bound for bound, _ in buckets[:-1]]
        report.check(bounds[0] < 2e-6 and 8 <= bounds[-1] < 9 and len(bounds) < 30, f"{cmd}: bounds", str(bounds))
        report.check(metrics["diskdb_command_duration_seconds_sum", {"cmd": cmd}] > 0, f"{cmd}: time has passed")


def check_counts(report, server, port):
    connection = server.connect()
    before = Metrics(port)
    for _ in range(100):
        connection.send_raw(b"*2\r\n$3\r\nGET\r\n$5\r\nthere\r\n*2\r\n$3\r\nGET\r\n$5\r\nnokey\r\n" * 50)
        for _ in range(100):
            connection.receive()
    after = Metrics(port)

    def grown(name, **labels):
        return after[name, labels] - before[name, labels]

    report.equal(grown("diskdb_commands_total", cmd="get"), 10_000, "each GET is counted")
    timed = grown("diskdb_command_duration_seconds_count", cmd="get")  # some stand for others that follow
    report.check(10_000 - 2 * 8 * 16 <= timed <= 10_000 + 2 * 8 * 16, "and timed", str(timed))
    report.equal(grown("diskdb_keyspace_hits_total"), 5000, "hits are counted")
    report.equal(grown("diskdb_keyspace_misses_total"), 5000, "misses are counted")
    received = grown("diskdb_network_received_bytes_total")  # of the last turn perhaps not yet
    report.check(9900 * 24 <= received <= 10_000 * 24, "bytes are counted", str(received))
    connection.call("CONFIG", "RESETSTAT")
    report.check(Metrics(port)["diskdb_commands_total", {"cmd": "get"}] >= 10_000, "CONFIG RESETSTAT leaves them alone")
    connection.call("SELECT", "5")
    connection.call("SET", "k", "v", "EX", "1000")
    later = Metrics(port)
    report.equal(later["diskdb_keys", {"db": "5"}], 1, "keys of another database")
    report.equal(later["diskdb_keys_expiring", {"db": "5"}], 1, "and their expiry")
    connection.call("BGSAVE")
    deadline = time.monotonic() + 20
    while Metrics(port)["diskdb_checkpoints_total", {"result": "ok"}] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    report.check(Metrics(port)["diskdb_checkpoints_total", {"result": "ok"}] > 0, "checkpoints are counted")
    report.check(Metrics(port)["diskdb_log_fsync_seconds_total", {}] > 0, "syncs are timed")


def check_deploy(report, metrics):
    """What dashboard and alerts ask for is there."""
    dashboard = json.loads((servers.ROOT / "deploy" / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [variable["query"] for variable in dashboard["templating"]["list"]]
    ids = [panel["id"] for panel in dashboard["panels"]]
    report.equal(len(set(ids)), len(ids), "panels have ids of their own")
    asked = {name for expression in expressions for name in NAME.findall(expression)}
    report.check(len(asked) > 40, "the dashboard asks for metrics", str(sorted(asked)))
    alerts = (servers.ROOT / "deploy" / "prometheus-alerts.yml").read_text()
    asked |= {name for line in alerts.splitlines() if line.strip().startswith("expr:") for name in NAME.findall(line)}
    for name in sorted(asked):
        report.check(name in metrics.names, f"{name} of deploy/ is exported")


def check_http(report, server, port):
    for path, status, body in (("/healthz", 200, "ok\n"), ("/readyz", 200, "ready\n"), ("/readyz?a=b", 200, "ready\n")):
        report.equal(get(port, path)[:2], (status, body), f"GET {path}")
    report.equal(get(port, "/nothing")[0], 404, "an unknown path")
    report.check(http(port, b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 405 "), "POST")
    report.check(http(port, b"*1\r\n$4\r\nPING\r\n\r\n").startswith(b"HTTP/1.1 400 "), "RESP is no HTTP")
    report.check(http(port, b"GET / HTTP/1.1\r\nA: " + b"a" * 9000).startswith(b"HTTP/1.1 431 "), "a long request")
    begin = time.monotonic()
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(100)]
    for connection in silent:
        connection.sendall(b"GET /metr")
    report.equal(get(port, "/healthz")[0], 200, "silent clients hold up nobody")
    report.check(time.monotonic() - begin < 2, "at once", f"{time.monotonic() - begin} s")
    ended = all(connection.recv(1) == b"" for connection in silent)
    report.check(ended and time.monotonic() - begin < 15, "and they are let go of", f"{time.monotonic() - begin} s")
    report.equal(server.connect().call("PING"), b"PONG", "clients are served as ever")


def check_long_command(report, server, port):
    """While a command holds all shards, health and figures are told at once."""
    connection = server.connect()
    connection.send("DEBUG", "SLEEP", "1.5")
    time.sleep(0.2)
    begin = time.monotonic()
    metrics = Metrics(port)
    report.equal(get(port, "/healthz")[0], 200, "alive during a long command")
    report.check(time.monotonic() - begin < 1, "figures do not wait for shards", f"{time.monotonic() - begin} s")
    report.check(metrics["diskdb_keys", {"db": "0"}] > 0, "those of before are told")
    connection.receive()


def check_not_ready(report, binary):
    port = servers.free_port()
    server = servers.diskdb(binary, None, "--engine", "memory", "--maxmemory", "3mb", "--metrics-port", str(port))
    server.start()
    connection = server.connect()
    report.equal(get(port, "/readyz")[0], 200, "ready at first")
    for i in range(10_000):
        if connection.raw("SET", f"key:{i}", "v" * 1000).startswith(b"-OOM"):
            break
    status, body, _ = get(port, "/readyz")
    report.check(status == 503 and "maxmemory" in body, "not ready while writes are refused", f"{status} {body}")
    report.equal(Metrics(port)["diskdb_ready", {}], 0, "and a figure says so")
    report.equal(get(port, "/healthz")[0], 200, "but alive")
    connection.call("FLUSHALL")
    report.equal(get(port, "/readyz")[0], 200, "ready again")
    report.check("diskdb_cold_keys" not in Metrics(port).names, "the memory engine has no store")
    report.equal(server.stop(), 0, "it ends in good order")


def check_start(report, binary):
    """Alive before it is ready; a busy port is said; the log is JSON."""
    port = servers.free_port()
    server = servers.diskdb(binary, None, "--metrics-port", str(port), "--log-format", "json")
    server.start()
    connection = server.connect()
    value = b"$100\r\n" + b"v" * 100 + b"\r\n"
    for batch in range(400):
        connection.send_raw(b"".join(b"*3\r\n$3\r\nSET\r\n$10\r\n%010d\r\n%s" % (batch * 1000 + i, value)
                                     for i in range(1000)))
        for _ in range(1000):
            connection.receive()
    server.kill()
    answers = []

    def ask():
        deadline = time.monotonic() + 60
        while (200, "ready\n") not in answers and time.monotonic() < deadline:
            try:
                answers.append(get(port, "/readyz")[:2])
            except OSError:
                time.sleep(0.001)  # the port is not open yet

    asking = threading.Thread(target=ask)
    asking.start()
    server.start()
    asking.join()
    report.equal(answers[0], (503, "the data is being recovered\n"), "not ready before the log is replayed")
    report.equal(set(answers), {answers[0], (200, "ready\n")}, "then ready")
    other = servers.diskdb(binary, None, "--metrics-port", str(port))
    try:
        other.start()
        report.fail("a busy metrics port stops the start", "it started")
        other.kill()
    except servers.StartFailed as failure:
        report.check(f"port {port}" in failure.output, "a busy metrics port stops the start", failure.output)
    server.stop()
    lines = [json.loads(line) for line in server.output().splitlines()]
    report.check(all(set(line) == {"time", "level", "pid", "message"} for line in lines), "each line is an object")
    report.check(any(line["message"] == "Ready to accept connections" for line in lines), "with the usual messages")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_binary_argument(parser)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(300)
    report = Report(arguments.verbose)

    port = servers.free_port()
    server = servers.diskdb(arguments.binary, None, "--metrics-port", str(port))
    server.start()
    connection = server.connect()
    for command in (("SET", "there", "v"), ("GET", "there"), ("INCR", "there"), ("GET",), ("CONFIG", "SET", "hz", "10"),
                    ("DEBUG", "ERROR", "CODE\\\"X text")):
        connection.raw(*command)
    time.sleep(0.3)  # figures that the cron renews
    metrics = Metrics(port, report)
    check_format(report, metrics)
    check_histograms(report, metrics)
    check_deploy(report, metrics)
    check_counts(report, server, port)
    check_http(report, server, port)
    check_long_command(report, server, port)
    report.equal(server.stop(), 0, "it ends in good order")
    check_not_ready(report, arguments.binary)
    check_start(report, arguments.binary)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
