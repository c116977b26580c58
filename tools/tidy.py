"""tools/tidy.py — checks what DiskDB's sources promise about themselves and no compiler sees.

The layering of src/, one door for each foreign thing, banned calls, the form of a file, dead files and dead
links. It reads text, not C++: a rule is a pattern that is right for the code we write. Where one is wrong,
`// tidy: allow RULE: why` on the line itself or the one above it lifts the rule there.

Usage: tools/tidy.py [--format] [ROOT]. Prints FILE:LINE: [RULE] what and what to do instead, and at last
`N passed, N failed`, counting files. tools/tidy_test.py has a case for every rule.
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Layers that share a rank do not include each other.
RANKS = (
    {"base"},
    {"io", "resp", "value"},
    {"log", "store"},
    {"keyspace"},
    {"types"},
    {"command"},
    {"script", "replica", "cluster"},
    {"net"},
    {"server"},
)
RANK = {layer: rank for rank, layers in enumerate(RANKS) for layer in layers}

COLUMNS_MAX = 100  # of C++, as in .clang-format
SCRIPT_COLUMNS_MAX = 130
# Ours, their helpers, and the switches of header-only libraries.
MACROS = re.compile(r"(ASSERT|ASSERT_SLOW|TRY|TRY_LET|REACHED)$|(ASSERT|TRY|REACHED)_\w+_$|(XXH|TOML)_\w+$")

# Foreign headers and the layers that may include them; tests may include any.
DOORS = (
    (r"rocksdb/", {"store"}, "RocksDB is known to store/ alone"),
    (r"(sys/socket|sys/epoll|sys/eventfd|sys/un|netinet/\w+|arpa/inet|netdb|liburing)\.h",
     {"io", "net"}, "sockets are known to io/ and net/ alone"),
    (r"(fcntl|dirent|sys/mman|sys/stat|sys/file|sys/uio)\.h|fstream|filesystem",
     {"io", "net", "server"}, "files are reached through io/file.h"),
    (r"toml\+\+/", {"server"}, "TOML is known to server/config_toml.cc alone"),
    (r"rapidjson/", {"types"}, "JSON is read by types/json_text.cc"),
    (r"re2/", {"types"}, "regular expressions are compiled by types/json_path.cc"),
    (r"xxhash\.h", {"base", "keyspace"}, "keys are hashed by keyspace/key.h"),
    (r"openssl/", {"base", "keyspace", "command", "net"}, "OpenSSL serves digests and TLS"),
    (r"thread|pthread\.h", {"io", "log", "store", "net", "server"},
     "threads are owned by log/, store/, net/ and server/: no hidden ones"),
    (r"iostream", set(), "streams have global constructors and locales; use fmt or the server's log"),
    (r"cassert|assert\.h", set(), 'use ASSERT of base/assert.h, which is always on'),
)


@dataclass(frozen=True)
class Ban:
    pattern: str
    instead: str
    allowed: tuple = ()   # prefixes of paths below src/
    in_tests: bool = False  # does it hold in tests, fuzzers and benchmarks too?


# Packed structures count their bytes and own them by hand.
PACKED = ("keyspace/table", "keyspace/record", "value/")

BANS = (
    Ban(r"\bthrow\b|\btry\s*\{|\bcatch\s*\(", "Status, Result or a Refusal; we throw nothing"),
    Ban(r"\bthread_local\b", "a member of what the thread owns", in_tests=True),
    Ban(r"\b(clock_gettime|gettimeofday)\s*\(|(?<![\w.>])(::|std::)?time\s*\(\s*(0|NULL|nullptr|&)"
        r"|\b(system|steady|high_resolution)_clock\b",
        "the io::Clock that was passed in", ("io/clock.cc",)),
    Ban(r"(?<![\w.>])(std::)?s?rand\s*\(|\brandom_device\b|\bgetrandom\s*\(|/dev/u?random",
        "the random source that was passed in (io/random.h)", ("io/random",), in_tests=True),
    Ban(r"(?<![\w.>])(std::|::)?v?f?printf\s*\(|\bfmt::print\s*\(|\bstd::(cout|cerr|puts)\b",
        "the server's log, or an Error that says it",
        ("base/assert.cc", "base/reached.cc", "server/")),
    Ban(r"\b(secure_)?getenv\s*\(|\bsetenv\s*\(", "a setting, read once by server/",
        ("server/", "base/reached.cc")),
    Ban(r"(?<![\w.>])(std::|::)?_?(quick_)?exit\s*\(|\babort\s*\(|\bstd::terminate\b",
        "ASSERT, or a Status that main() acts on", ("base/assert.cc", "server/")),
    Ban(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", "std::string, fmt or a checked copy",
        in_tests=True),
    Ban(r"\b(atoi|atol|atoll|atof|strtol|strtoll|strtoul|strtoull|stoi|stol|stoll|stoul|stoull|stod)"
        r"\s*\(", "base/number.h, which says what it refuses"),
    Ban(r"\b(usleep|nanosleep|sleep_for|sleep_until)\s*\(|(?<![\w.>])sleep\s*\(",
        "waiting for what you wait for: a condition variable or a timer of the loop"),
    Ban(r"^(?!.*\bunique_ptr\b).*\bnew\s+[A-Za-z_]\w*",
        "std::make_unique; or unique_ptr<T>(new T) on one line where the constructor is private",
        PACKED),
    Ban(r"\bdelete\b(?!\s*[;,)])|\bdelete\s*\[", "an owner: std::unique_ptr or a container", PACKED),
    Ban(r"\bstd::endl\b", r"'\n'", in_tests=True),
    Ban(r"\busing\s+namespace\b", "names in full, or a using-declaration"),
    Ban(r"\breinterpret_cast<(?!(const )?(char|unsigned char|std::byte)\s?\*>)[^>]*>\s*\(\s*&"
        r"|\bconst_cast<", "memcpy, or a type that says it", ("io/", "net/", "base/", "server/")),
    Ban(r"\bstatic\b(?!_)(?!\s+(inline\s+)?(const|constexpr|consteval|constinit)\b)[^(]*[=;{]",
        "a member of what owns it: no globals, no hidden state", ("base/reached",), in_tests=False),
)

CONTROL = re.compile(r"//\s*tidy: allow ([\w-]+): \S")
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
NOLINT = re.compile(r"NOLINT(NEXTLINE)?(?!\w|\([\w.,* -]+\): \S)")
INCLUDE = re.compile(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
ROW_NAME = re.compile(r'\.name = "([A-Z][A-Z0-9_ |-]*)"')
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
DOC_MENTION = re.compile(r"\bdocs/[\w/.-]+\.md\b")


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.text}"


class Source:
    """A file below src/: its lines, and the same lines with comments and literals blanked."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.below_src = path.relative_to(root / "src").as_posix()
        self.layer = self.below_src.split("/")[0]
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.code = blank(self.text).split("\n")
        self.is_header = path.suffix == ".h"
        self.is_test = re.search(r"_(test|fuzz|bench)$", path.stem) is not None
        self.own_header = path.with_suffix(".h")

    def includes(self):
        """(line number, path, in quotes?) of every include."""
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) or match.group(2), match.group(1) is not None


TOKEN = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<end>[^(\s]*)\(.*?\)(?P=end)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![\w'])'(?:\\.|[^'\\\n])+'""", re.VERBOSE | re.DOTALL)


def blank(text):
    """`text` without comments and the insides of literals, each line still in its place."""
    def replacement(match):
        token = match.group(0)
        quote = token[-1] if token[-1] in "\"'" else ""
        return quote + re.sub(r"[^\n]", " ", token)[len(quote) * 2:] + quote
    return TOKEN.sub(replacement, text)


# --- Rules on one source file: each yields (line, rule, text). ---

def check_layers(source, root):
    if source.layer not in RANK:
        yield 1, "layer", f"src/{source.layer} is no layer; see RANKS in tools/tidy.py"
        return
    for number, name, quoted in source.includes():
        layer = name.split("/")[0]
        if layer not in RANK or "/" not in name:
            if quoted:
                yield number, "layer", f'"{name}": include our headers as "layer/file.h"'
            continue
        if not quoted:
            yield number, "layer", f"<{name}>: our own headers go in quotes"
        if not (root / "src" / name).is_file():
            yield number, "layer", f'"{name}" does not exist below src/'
        if layer != source.layer and RANK[layer] >= RANK[source.layer]:
            way = "up" if RANK[layer] > RANK[source.layer] else "sideways"
            yield number, "layer", (f'{source.layer}/ includes "{name}", {way}; let the upper layer '
                                    "pass it in, or move it down")


def check_doors(source, _root):
    if source.is_test:
        return
    for number, name, quoted in source.includes():
        for pattern, layers, why in DOORS:
            if not quoted and door_matches(pattern, name) and source.layer not in layers:
                yield number, "door", f"<{name}>: {why}"


def door_matches(pattern, name):
    """A pattern that ends in / is a folder, another one a whole header."""
    return re.match(pattern, name) if pattern.endswith("/") else re.fullmatch(pattern, name)


def check_bans(source, _root):
    for number, line in enumerate(source.code, 1):
        if line.lstrip().startswith("#"):
            continue
        for ban in BANS:
            if source.is_test and not ban.in_tests:
                continue
            if source.below_src.startswith(ban.allowed):
                continue
            match = re.search(ban.pattern, line)
            if match:
                yield number, "ban", f"`{match.group(0).strip()}`: use {ban.instead}"


def check_form(source, _root):
    if source.is_header and "#pragma once" not in source.lines:
        yield 1, "guard", "a header has `#pragma once`"
    if not source.text.endswith("\n") or source.text.endswith("\n\n"):
        yield len(source.lines), "form", "a file ends with one newline"
    opening_line = source.lines[0]
    own = own_header_of(source)
    if not opening_line.startswith("//") and not (own and opening_line == f'#include "{own}"'):
        yield 1, "opening", ("a file opens with a paragraph: what it is, what it is not, which document "
                             "it follows (a .cc may leave that to its header, included first)")
    if own and not source.is_header:
        first = next((name for _, name, _ in source.includes()), None)
        if first != own:
            yield 1, "own-header", f'include "{own}" first: it shows that the header stands alone'


def own_header_of(source):
    """The header that x.cc or x_test.cc belongs to, as it is included."""
    for path in (source.own_header,
                 source.own_header.with_name(source.own_header.name.replace("_test.h", ".h"))):
        if path.is_file() and not source.is_header:
            return f"{source.layer}/{path.name}"
    return None


def check_macros(source, _root):
    for number, line in enumerate(source.code, 1):
        match = re.match(r"\s*#\s*define\s+(\w+)", line)
        if match and not MACROS.match(match.group(1)):
            yield number, "macro", f"{match.group(1)}: a function or a constant; macros are listed in STYLE"
        if source.is_header and re.search(r"\bREACHED\(", line) and "define" not in line:
            yield number, "macro", "REACHED stands in .cc files, in no template (base/reached.h)"


def check_lines(lines, columns_max):
    for number, line in enumerate(lines, 1):
        if len(line) > columns_max and "http" not in line:
            yield number, "columns", f"{len(line)} columns, {columns_max} at most"
        if "\t" in line:
            yield number, "tab", "spaces, no tabs"
        if line != line.rstrip():
            yield number, "space", "blanks at the end of the line"
        if TODO.search(line):
            yield number, "todo", "say TODO(#issue)"
        if NOLINT.search(line):
            yield number, "nolint", "NOLINT(check): reason"


SOURCE_RULES = (check_layers, check_doors, check_bans, check_form, check_macros)


# --- Rules on the whole tree. ---

def check_dead_files(root, sources):
    """A .cc that no target compiles, a header that nobody includes."""
    cmake = root / "CMakeLists.txt"
    layers = set(re.findall(r"^diskdb_layer\((\w+)", cmake.read_text(), re.MULTILINE)) \
        if cmake.is_file() else set()
    included = {name for source in sources for _, name, _ in source.includes()}
    for source in sources:
        depth = source.below_src.count("/")
        if not source.is_header and (source.layer not in layers or depth != 1):
            yield Finding(source.path, 1, "dead", "no target compiles it: see diskdb_layer in CMakeLists.txt")
        if source.is_header and source.below_src not in included:
            yield Finding(source.path, 1, "dead", "nobody includes it")


def check_untested_rows(root, sources):
    """A command's row whose name no test says."""
    texts = [path.read_text(encoding="utf-8", errors="replace")
             for pattern in ("tests/**/*.txt", "tests/**/*.py", "src/**/*_test.cc")
             for path in tracked(root, pattern)]
    said = re.sub(r"^\s*(#|//).*$", "", "\n".join(texts), flags=re.MULTILINE).upper()
    for source in sources:
        if source.is_test:
            continue
        for number, line in enumerate(source.lines, 1):
            match = ROW_NAME.search(line)
            # Words may be apart as in "CLIENT ID", {"CLIENT", "ID"} or CLIENT {ID|INFO}.
            if match and not re.search(r"\b" + r"\b([^\w\n]{1,5}|[^\w\n]+\{[^}\n]*\b)".join(
                    re.escape(word) for word in match.group(1).split()) + r"\b", said):
                yield Finding(source.path, number, "untested", f"no test says {match.group(1)}")


def anchors_of(markdown):
    """The anchors that GitHub gives to the headings of a page."""
    anchors = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*$", markdown, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading)).strip().lower()
        anchors.add(re.sub(r"\s", "-", plain))
    return anchors


def check_links(root, path, text):
    for number, line in enumerate(blank_fences(text).split("\n"), 1):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists():
                yield number, "link", f"{target} leads nowhere"
            elif anchor and file.suffix == ".md" and anchor not in anchors_of(file.read_text()):
                yield number, "link", f"{target}: no such heading"


def blank_fences(text):
    """`text` with the lines of its code blocks emptied."""
    return re.sub(r"^```.*?^```", lambda m: "\n" * m.group(0).count("\n"), text,
                  flags=re.MULTILINE | re.DOTALL)


def check_named_tests(root):
    """`Suite.Test`, named in a page of rules, exists."""
    tests = set()
    for path in tracked(root, "src/**/*_test.cc"):
        tests.update(".".join(name) for name in re.findall(
            r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", path.read_text(encoding="utf-8"), re.MULTILINE))
    for path in tracked(root, "docs/decisions/*-rules*.md"):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            for name in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", line):
                if name not in tests:
                    yield Finding(path.relative_to(root).as_posix(), number, "link", f"there is no test {name}")


def check_lost_pages(root):
    """A page below docs/ that no other page leads to."""
    linked = set()
    for path in tracked(root, "**/*.md"):
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            file = (path.parent / target.partition("#")[0]).resolve()
            if file != path:
                linked.add(file)
    for path in tracked(root, "docs/**/*.md"):
        if path not in linked:
            yield Finding(path.relative_to(root).as_posix(), 1, "dead", "no page leads to it")


def check_mentions(root, lines):
    """docs/x.md, named anywhere, exists."""
    for number, line in enumerate(lines, 1):
        for name in DOC_MENTION.findall(line):
            if not (root / name).is_file():
                yield number, "link", f"{name} does not exist"


def tracked(root, pattern):
    """Files of the tree that are ours: not of build folders, hidden or downloaded."""
    skipped = {"build", "data", "node_modules", "__pycache__"}
    return sorted(path for path in root.glob(pattern)
                  if path.is_file() and not any(part in skipped or part.startswith(".")
                                                for part in path.relative_to(root).parts))


def allowed(lines, number, rule):
    """Does this line or the one above lift the rule?"""
    return any(match and match.group(1) == rule
               for match in (CONTROL.search(line) for line in lines[max(number - 2, 0):number]))


def check_tree(root):
    """All findings, and how many files were looked at."""
    findings = []
    sources = [Source(root, path) for pattern in ("src/**/*.h", "src/**/*.cc")
               for path in tracked(root, pattern)]

    def keep(path, lines, found):
        findings.extend(Finding(path, number, rule, text) for number, rule, text in found
                        if not allowed(lines, number, rule))

    for source in sources:
        for rule in SOURCE_RULES:
            keep(source.path, source.lines, rule(source, root))
        keep(source.path, source.lines, check_lines(source.lines, COLUMNS_MAX))
        keep(source.path, source.lines, check_mentions(root, source.lines))
    findings.extend(check_dead_files(root, sources))
    findings.extend(check_untested_rows(root, sources))
    findings.extend(check_lost_pages(root))
    findings.extend(check_named_tests(root))

    others = [path for pattern in ("**/*.py", "**/*.sh", "run", "test", ".ci/run", "**/*.md")
              for path in tracked(root, pattern)]
    for path in others:
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        if path.name == "tidy.py" or path.name == "tidy_test.py":
            continue  # they quote what they forbid
        if path.suffix == ".md":
            keep(name, lines, check_links(root, path, text))
        else:
            keep(name, lines, check_lines(lines, SCRIPT_COLUMNS_MAX))
        keep(name, lines, check_mentions(root, lines))
    return sorted(set(findings), key=lambda f: (f.path, f.line, f.rule, f.text)), len(sources) + len(others)


def check_format(root):
    """Findings of clang-format 14, the version whose opinion counts; none if it is not installed."""
    program = shutil.which("clang-format-14")
    if program is None:
        return []
    paths = [str(p) for pattern in ("src/**/*.h", "src/**/*.cc") for p in tracked(root, pattern)]
    if not paths:
        return []
    result = subprocess.run([program, "--style=file", "--dry-run", *paths], cwd=root,
                            capture_output=True, text=True, check=False)
    found = {}
    for path, line in re.findall(r"^(.*?):(\d+):\d+: warning: code should be clang-formatted",
                                 result.stderr, re.MULTILINE):
        name = Path(path).resolve().relative_to(root).as_posix()
        found.setdefault(name, int(line))
    return [Finding(name, line, "format", "run clang-format-14 -i") for name, line in found.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", action="store_true", help="ask clang-format 14 too, if installed")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    root = options.root.resolve()
    findings, file_count = check_tree(root)
    if options.format:
        findings += check_format(root)
    for finding in findings:
        print(finding)
    failed = len({finding.path for finding in findings})
    print(f"{file_count - failed} passed, {failed} failed")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
