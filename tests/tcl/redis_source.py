"""Finds or fetches the source of Debian's Redis 7.0, for its test suite. Nothing of it enters the project."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "cache" / "redis-source"


def _source_entries():
    """The machine's own Debian entries, as deb-src lines or stanzas."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    lines, stanzas = [], []
    for path in files:
        if not path.is_file():
            continue
        text = path.read_text()
        if path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                if re.search(r"^URIs:.*debian", stanza, re.M):
                    stanzas.append(re.sub(r"^Types:.*", "Types: deb-src", stanza, flags=re.M))
        else:
            lines += [re.sub(r"^deb\s", "deb-src ", line) for line in text.splitlines()
                      if line.startswith("deb ") and re.search(r"\s\S*debian\S*\s", line)]
    return "\n".join(lines) + "\n", "\n\n".join(stanzas) + "\n"


def _download():
    """apt-get source with a private list, so that the machine's own configuration stays as it is."""
    lists, archives, parts = CACHE / "lists", CACHE / "archives", CACHE / "sources.list.d"
    for folder in (lists / "partial", archives / "partial", parts):
        folder.mkdir(parents=True, exist_ok=True)
    lines, stanzas = _source_entries()
    (parts / "private.list").write_text(lines)
    (parts / "private.sources").write_text(stanzas)
    options = ["-qq", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}",
               "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache::archives={archives}",
               "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"]
    subprocess.run(["apt-get", *options, "update"], check=True, timeout=300)
    subprocess.run(["apt-get", *options, "source", "--download-only", "redis"], check=True, timeout=300, cwd=CACHE)


def find():
    """The folder that holds Redis's `tests` folder: $DISKDB_REDIS_SOURCE, the cache, or fetched now."""
    given = os.environ.get("DISKDB_REDIS_SOURCE")
    if given:
        return Path(given)
    unpacked = CACHE / "redis"
    if not (unpacked / "tests" / "test_helper.tcl").exists():
        print("fetching Redis's source for its test suite", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        _download()
        archive = next(CACHE.glob("redis_7.0.*.orig.tar.gz"))
        with tarfile.open(archive) as tar:
            top = tar.getnames()[0].split("/")[0]
            tar.extractall(CACHE, [m for m in tar.getmembers() if m.name.startswith(f"{top}/tests/")])
        (CACHE / top).rename(unpacked)
    return unpacked


def copy_tests(folder):
    """A private copy to run in: the suite writes into its own folder."""
    shutil.copytree(find() / "tests", Path(folder) / "tests")
    (Path(folder) / "tests" / "tmp").mkdir(exist_ok=True)
