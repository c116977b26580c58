#!/usr/bin/python3
"""Smoke tests with the clients that people use: redis-py, ioredis, hiredis, redis-cli, netcat, redis-benchmark."""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import servers  # noqa: E402
from lib.build import CACHE, compiled  # noqa: E402
from lib.report import Report  # noqa: E402

IOREDIS = "ioredis@5"


def run(*command, text=None, seconds=120, **options):
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, timeout=seconds,
                          check=False, **options)


def passed(report, done, name):
    return report.check(done.returncode == 0, name, f"exit code {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def test_redis_py(server, report):
    passed(report, run("/usr/bin/python3", HERE / "with_redis_py.py", server.port), "redis-py")


def test_hiredis(server, report):
    passed(report, run(compiled(HERE / "with_hiredis.c", "-lhiredis"), server.port), "hiredis")


def test_ioredis(server, report):
    folder = CACHE / "ioredis"
    if not (folder / "node_modules" / "ioredis").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True}))
        done = run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", IOREDIS, cwd=folder, seconds=300)
        if done.returncode:
            report.skip("ioredis", f"npm could not install {IOREDIS}: {done.stderr[-300:]}")
            return
    # NODE_PATH is where require() looks besides the script's own folder.
    done = run("env", f"NODE_PATH={folder / 'node_modules'}", "node", HERE / "with_ioredis.js", server.port)
    passed(report, done, "ioredis")


def test_redis_cli(server, report):
    def cli(*words, text=None):
        done = run("redis-cli", "-p", server.port, *words, text=text)
        return done.stdout.rstrip("\n")
    report.equal(cli("SET", "cli:a", "b"), "OK", "redis-cli SET")
    report.equal(cli("GET", "cli:a"), "b", "redis-cli GET")
    report.equal(cli("-3", "GET", "cli:nokey"), "", "redis-cli -3 GET of an absent key")
    report.equal(cli(text="SET cli:x 1\nINCR cli:x\nGET cli:x\n"), "OK\n2\n2", "redis-cli reads commands from its input")
    report.check("errors: 0, replies: 10000" in cli("--pipe", text="".join(
        f"*3\r\n$3\r\nSET\r\n${len(f'cli:{i}')}\r\ncli:{i}\r\n$1\r\nv\r\n" for i in range(10_000))), "redis-cli --pipe")
    report.check("errors: 0, replies: 10000" in cli("--pipe", text="".join(f"SET cli:{i} v\r\n" for i in range(10_000))),
                 "redis-cli --pipe with inline commands")
    keys = cli("--scan", "--pattern", "cli:1*").splitlines()
    report.equal(len(set(keys)), 1111, "redis-cli --scan")
    report.check("cli:a" in cli("--scan"), "redis-cli --scan finds every key")
    report.check("Biggest string" in cli("--bigkeys") or "string" in cli("--bigkeys"), "redis-cli --bigkeys")


def netcat(port, text, lines, seconds=5):
    """What `printf text | nc localhost PORT` prints, up to so many lines."""
    process = subprocess.Popen(["nc", "localhost", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(text)
    process.stdin.flush()
    try:
        process.stdin.close()  # some netcats then end, some wait for the server
        deadline, output = time.monotonic() + seconds, b""
        while output.count(b"\n") < lines and time.monotonic() < deadline:
            chunk = process.stdout.readline()
            if not chunk:
                break
            output += chunk
        return output
    finally:
        process.kill()
        process.wait()


def test_netcat(server, report):
    def says(text, expected):
        report.equal(netcat(server.port, text, expected.count(b"\n")), expected, f"netcat: {text!r}")
    says(b'SET mykey "Hello DiskDB"\nGET mykey\n', b"OK\nHello DiskDB\n")
    says(b"SET mykey myvalue\nGET mykey\n", b"OK\nmyvalue\n")
    says(b"SET temperature 25.5\nINCR temperature\n", b"OK\nERROR: Value is not an integer\n")
    says(b"SET text several words and more\nGET text\n", b"OK\nseveral words and more\n")
    says(b"GET nokey\nSET n 5\nINCR n\n", b"(nil)\nOK\n6\n")
    says(b"MGET mykey nokey n\nPING\n", b"myvalue\n(nil)\n6\n\n+PONG\r\n")
    says(b"NOSUCH\nPING\n", b"ERROR: Unknown command 'NOSUCH', with args beginning with: \n+PONG\r\n")
    says(b"GET\nPING\n", b"ERROR: Wrong number of arguments for 'get' command\n+PONG\r\n")
    says(b"PING\r\nSET a b\r\nGET a\r\n", b"+PONG\r\nOK\nb\n")


def test_redis_benchmark(server, report, requests):
    for depth in (1, 16, 100):
        count = requests if depth > 1 else requests // 5
        done = run("redis-benchmark", "-p", server.port, "-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-n", count,
                   "-P", depth, "-r", 100_000, "-d", 128, "-q")
        lines = re.findall(r"^(\S[^\r\n:]*): ([\d.]+) requests per second", done.stdout.replace("\r", "\n"), re.M)
        finished = {name: float(rate) for name, rate in lines}
        rates = ", ".join(f"{name.split(' ')[0]} {rate / 1000:.0f} k/s" for name, rate in finished.items())
        report.check(done.returncode == 0 and len(finished) >= 6 and "rror" not in done.stdout + done.stderr,
                     f"redis-benchmark -P {depth}", done.stdout[-800:] + done.stderr[-800:])
        print(f"     -P {depth}: {rates}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    servers.add_binary_argument(parser)
    parser.add_argument("--only", action="append", choices=("redis-py", "hiredis", "ioredis", "redis-cli", "netcat", "benchmark"))
    parser.add_argument("--requests", type=int, default=200_000, help="of each redis-benchmark test (default: %(default)s)")
    parser.add_argument("--deadline", type=int, default=600, help="seconds until the test gives up (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    servers.set_deadline(arguments.deadline)
    report = Report(arguments.verbose)
    server = servers.diskdb(arguments.binary)
    server.start()

    def wanted(name):
        return not arguments.only or name in arguments.only
    for name, test in (("redis-py", test_redis_py), ("hiredis", test_hiredis), ("ioredis", test_ioredis),
                       ("redis-cli", test_redis_cli)):
        if wanted(name):
            server.connect().call("FLUSHALL")
            test(server, report)
    # As ./run starts it: plain text for whoever does not speak RESP. redis-benchmark's ping_inline is one of those.
    plain = servers.diskdb(arguments.binary, inline_replies="plain")
    plain.start()
    if wanted("benchmark"):
        test_redis_benchmark(plain, report, arguments.requests)
    if wanted("netcat") and arguments.binary == "redis":
        report.skip("netcat", "Redis has no plain-text protocol")
    elif wanted("netcat"):
        test_netcat(plain, report)
    sys.exit(report.finish())


if __name__ == "__main__":
    main()
