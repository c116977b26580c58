"""Tests of tools/tidy.py: for every rule a tree that breaks it and nothing else, and one that keeps it."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import tidy  # noqa: E402

CMAKE = "\n".join(f"diskdb_layer({layer})" for layer in sorted(tidy.RANK)) + "\n"
HEADER = "// A thing, for the test.\n#pragma once\n"
SOURCE = "// A thing without a header, for the test.\n"


def findings(files):
    """{(path, line, rule)} of a tree of these files; CMakeLists.txt knows all layers unless given."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {"CMakeLists.txt": CMAKE, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {(f.path, f.line, f.rule) for f in tidy.check_tree(root)[0]}


def in_source(code, path="src/keyspace/thing.cc"):
    """What is found in a .cc of these lines, the first at line 2."""
    return {(line, rule) for _, line, rule in findings({path: SOURCE + code + "\n"})}


class Layers(unittest.TestCase):
    def included(self, at, header):
        return {rule for path, _, rule in findings({
            at: SOURCE + f'#include "{header}"\n', f"src/{header}": HEADER}) if path == at}

    def test_down_and_beside_is_fine(self):
        self.assertEqual(self.included("src/log/x.cc", "base/a.h"), set())
        self.assertEqual(self.included("src/log/x.cc", "log/a.h"), set())
        self.assertEqual(self.included("src/server/x.cc", "net/a.h"), set())

    def test_up_and_sideways_is_not(self):
        self.assertEqual(self.included("src/base/x.cc", "io/a.h"), {"layer"})
        self.assertEqual(self.included("src/io/x.cc", "resp/a.h"), {"layer"})
        self.assertEqual(self.included("src/log/x.cc", "store/a.h"), {"layer"})
        self.assertEqual(self.included("src/keyspace/x.cc", "command/a.h"), {"layer"})

    def test_every_order_of_ranks(self):
        for low in tidy.RANK:
            for high in tidy.RANK:
                expected = set() if tidy.RANK[low] > tidy.RANK[high] or low == high else {"layer"}
                with self.subTest(includer=low, included=high):
                    self.assertEqual(self.included(f"src/{low}/x.cc", f"{high}/a.h"), expected)

    def test_tests_obey_too(self):
        self.assertEqual(self.included("src/base/x_test.cc", "io/a.h"), {"layer"})

    def test_unknown_layer(self):
        self.assertIn(("src/misc/x.cc", 1, "layer"), findings({"src/misc/x.cc": SOURCE}))

    def test_form_of_includes(self):
        self.assertEqual(in_source('#include "thing2.h"'), {(2, "layer")})
        self.assertEqual(in_source('#include "base/absent.h"'), {(2, "layer")})
        files = {"src/log/x.cc": SOURCE + "#include <base/a.h>\n", "src/base/a.h": HEADER}
        self.assertEqual(findings(files), {("src/log/x.cc", 2, "layer")})


class Doors(unittest.TestCase):
    def test_each_header_has_its_layers(self):
        for header, good, bad in (("rocksdb/db.h", "store", "keyspace"),
                                  ("sys/socket.h", "net", "command"),
                                  ("sys/epoll.h", "net", "log"),
                                  ("fcntl.h", "io", "log"),
                                  ("filesystem", "io", "log"),
                                  ("openssl/sha.h", "keyspace", "log"),
                                  ("toml++/toml.h", "server", "command"),
                                  ("xxhash.h", "keyspace", "command"),
                                  ("thread", "log", "keyspace"),
                                  ("iostream", None, "server"),
                                  ("cassert", None, "base")):
            line = f"#include <{header}>"
            with self.subTest(header=header):
                self.assertEqual(in_source(line, f"src/{bad}/x.cc"), {(2, "door")})
                if good:
                    self.assertEqual(in_source(line, f"src/{good}/x.cc"), set())

    def test_tests_may_include_anything(self):
        self.assertEqual(in_source("#include <thread>", "src/keyspace/x_test.cc"), set())


class Bans(unittest.TestCase):
    BAD = ("throw 1;", "try { f(); }", "thread_local int depth;", "const auto now = time(nullptr);",
           "auto t = std::time(0);", "clock_gettime(CLOCK_REALTIME, &now);",
           "auto t = std::chrono::steady_clock::now();", "int r = rand();", "std::random_device device;",
           'std::printf("x");', 'fprintf(stderr, "x");', 'fmt::print("x");', 'std::cout << "x";',
           'auto* home = getenv("HOME");', "std::exit(1);", "abort();", "sprintf(to, from);",
           "const int n = atoi(text);", "auto n = std::stoll(text);", "usleep(5);",
           "std::this_thread::sleep_for(pause);", "auto* t = new Thing();", "delete thing;",
           "delete[] things;", "out << std::endl;", "using namespace std;",
           "auto* p = const_cast<char*>(q);", "auto* h = reinterpret_cast<Header*>(&bytes);", "static int calls = 0;", "static std::string name;",
           "  static std::atomic<bool> done{false};")
    GOOD = ("// throw it away, says rand()", 'const char* text = "throw new rand()";',
            "const Millis time(clock.wall());", "entry.time(0);", "file->rand();", "operand(3);",
            'std::snprintf(to, 9, "x");', "on_exit(f);", "Thing(const Thing&) = delete;",
            "std::unique_ptr<Thing> thing(new Thing(x));", "new (memory) Block{};",
            "static constexpr int kMax = 3;", "static const Row kRows[] = {};",
            "static Status okay() { return {}; }", "static_assert(sizeof(int) == 4);",
            "int n = 1'000 + 'x';", "renew (it);", "auto* p = reinterpret_cast<const char*>(&header);", "constexpr auto kNew = 1;")

    def test_bad(self):
        for line in self.BAD:
            with self.subTest(line=line):
                self.assertEqual(in_source(line), {(2, "ban")})

    def test_good(self):
        for line in self.GOOD:
            with self.subTest(line=line):
                self.assertEqual(in_source(line), set())

    def test_where_they_are_allowed(self):
        self.assertEqual(in_source("clock_gettime(CLOCK_REALTIME, &now);", "src/io/clock.cc"), set())
        self.assertEqual(in_source('std::printf("x");', "src/server/main.cc"), set())
        self.assertEqual(in_source('auto* home = getenv("HOME");', "src/server/main.cc"), set())

    def test_packed_structures_own_by_hand(self):
        self.assertEqual(in_source("auto* b = new Bucket();", "src/keyspace/table.cc"), set())
        self.assertEqual(in_source("delete b;", "src/keyspace/table.cc"), set())

    def test_in_tests(self):
        path = "src/keyspace/x_test.cc"
        self.assertEqual(in_source("throw 1;", path), set())
        self.assertEqual(in_source("thread_local int depth;", path), {(2, "ban")})

    def test_literals_end_where_they_end(self):
        self.assertEqual(in_source('f("a\\"b"); throw 1;'), {(2, "ban")})
        self.assertEqual(in_source('f(R"(a"b)"); throw 1;'), {(2, "ban")})
        self.assertEqual(in_source("f('\"'); throw 1;"), {(2, "ban")})
        self.assertEqual(in_source("/* one\ntwo */ throw 1;"), {(3, "ban")})
        self.assertEqual(in_source("/* one\nthrow 1; */"), set())


class Form(unittest.TestCase):
    def test_pragma_once(self):
        files = {"src/base/a.h": "// A thing.\nint f();\n", "src/base/b.cc": SOURCE + '#include "base/a.h"\n'}
        self.assertEqual(findings(files), {("src/base/a.h", 1, "guard")})

    def test_opening_comment(self):
        files = {"src/base/a.h": "#pragma once\n", "src/base/b.cc": '#include "base/a.h"\n'}
        self.assertEqual(findings(files), {("src/base/a.h", 1, "opening"), ("src/base/b.cc", 1, "opening")})

    def test_a_source_may_leave_the_opening_to_its_header(self):
        files = {"src/base/a.h": HEADER, "src/base/a.cc": '#include "base/a.h"\n',
                 "src/base/a_test.cc": '#include "base/a.h"\n'}
        self.assertEqual(findings(files), set())

    def test_own_header_first(self):
        files = {"src/base/a.h": HEADER, "src/base/a.cc": SOURCE + '#include <string>\n#include "base/a.h"\n'}
        self.assertEqual(findings(files), {("src/base/a.cc", 1, "own-header")})
        files["src/base/a.cc"] = SOURCE
        self.assertEqual({f for f in findings(files) if f[2] != "dead"}, {("src/base/a.cc", 1, "own-header")})

    def test_one_newline_at_the_end(self):
        self.assertEqual(in_source("int a;\n"), {(4, "form")})
        self.assertEqual({rule for _, _, rule in findings({"src/base/a.cc": SOURCE + "int a;"})}, {"form"})

    def test_lines(self):
        self.assertEqual(in_source("// " + "x" * 97), set())
        self.assertEqual(in_source("// " + "x" * 98), {(2, "columns")})
        self.assertEqual(in_source("// https://" + "x" * 98), set())
        self.assertEqual(in_source("\tint a;"), {(2, "tab")})
        self.assertEqual(in_source("int a; "), {(2, "space")})

    def test_scripts_have_lines_too(self):
        self.assertEqual(findings({"tests/a.py": "# " + "x" * 128 + "\n"}), set())
        self.assertEqual(findings({"tests/a.py": "# " + "x" * 129 + "\n"}), {("tests/a.py", 1, "columns")})
        self.assertEqual(findings({"run": "\techo\n"}), {("run", 1, "tab")})

    def test_todo_and_nolint(self):
        self.assertEqual(in_source("// TODO: later"), {(2, "todo")})
        self.assertEqual(in_source("// TODO(#12): later"), set())
        self.assertEqual(in_source("f();  // NOLINT"), {(2, "nolint")})
        self.assertEqual(in_source("f();  // NOLINT(bugprone-fork)"), {(2, "nolint")})
        self.assertEqual(in_source("f();  // NOLINT(bugprone-fork): the child execs at once"), set())

    def test_macros(self):
        self.assertEqual(in_source("#define MAX(a, b) a"), {(2, "macro")})
        self.assertEqual(in_source("#define TRY_LET_NAMED_(a) a"), set())
        header = {"src/base/a.h": HEADER + 'inline void f() { REACHED("x"); }\n',
                  "src/base/b.cc": SOURCE + '#include "base/a.h"\n'}
        self.assertEqual(findings(header), {("src/base/a.h", 3, "macro")})

    def test_a_rule_can_be_lifted_with_a_reason(self):
        self.assertEqual(in_source("abort();  // tidy: allow ban: nothing else is left"), set())
        self.assertEqual(in_source("// tidy: allow ban: nothing else is left\nabort();"), set())
        self.assertEqual(in_source("abort();  // tidy: allow ban:"), {(2, "ban")})
        self.assertEqual(in_source("abort();  // tidy: allow macro: wrong rule"), {(2, "ban")})


class Dead(unittest.TestCase):
    def test_header_without_reader(self):
        self.assertEqual(findings({"src/base/a.h": HEADER}), {("src/base/a.h", 1, "dead")})

    def test_page_without_a_way_to_it(self):
        files = {"README.md": "[a](docs/a.md)\n", "docs/a.md": "# A\n", "docs/b.md": "[here](b.md)\n"}
        self.assertEqual(findings(files), {("docs/b.md", 1, "dead")})

    def test_source_in_no_target(self):
        files = {"CMakeLists.txt": "diskdb_layer(base fmt::fmt)\n", "src/io/a.cc": SOURCE,
                 "src/base/sub/b.cc": SOURCE, "src/base/c.cc": SOURCE}
        self.assertEqual(findings(files), {("src/io/a.cc", 1, "dead"), ("src/base/sub/b.cc", 1, "dead")})


class Rows(unittest.TestCase):
    def found(self, test, name="CLIENT ID"):
        files = {"src/command/x.cc": SOURCE + f'Row r{{.name = "{name}"}};\n', "tests/transcript/a.txt": test}
        return {f for f in findings(files) if f[2] == "untested"}

    def test_a_row_has_a_test(self):
        untested = {("src/command/x.cc", 2, "untested")}
        self.assertEqual(self.found("> client id\n:1\n"), set())
        self.assertEqual(self.found("> CLIENT {INFO|ID} x\n"), set())
        self.assertEqual(self.found('send(["CLIENT", "ID"])\n'), set())
        self.assertEqual(self.found("> CLIENT IDENTITY\n"), untested)
        self.assertEqual(self.found("> CLIENT\n> ID\n> ECHO ID\n"), untested)
        self.assertEqual(self.found("# CLIENT ID\n"), untested)
        self.assertEqual(self.found("> SETEX a b\n", "SET"), untested)


class Links(unittest.TestCase):
    PAGE = "# The page\n\n## A `b` C\n"

    def found(self, text):
        return {(line, rule) for path, line, rule in findings({"README.md": text, "docs/a.md": self.PAGE})
                if path == "README.md"}

    def test_links(self):
        self.assertEqual(self.found("[a](docs/a.md) [b](docs/a.md#a-b-c) [c](https://x.y/z)\n"), set())
        self.assertEqual(self.found("\n[a](docs/b.md)\n"), {(2, "link")})
        self.assertEqual(self.found("[a](docs/a.md#z)\n"), {(1, "link")})
        self.assertEqual(self.found("# Here\n[a](#here)\n[b](#there)\n"), {(3, "link")})
        self.assertEqual(self.found("[a](other.md)\n"), {(1, "link")})
        self.assertEqual(self.found("```\n[a](other.md)\n```\n"), set())

    def test_mentions(self):
        self.assertEqual(in_source("// See docs/none.md."), {(2, "link")})
        self.assertEqual(self.found("See `docs/a.md`.\n"), set())
        self.assertEqual(self.found("See `docs/b.md`.\n"), {(1, "link")})


    def test_named_tests(self):
        files = {"README.md": "[a](docs/decisions/1-rules.md)\n",
                 "docs/decisions/1-rules.md": "\n`Suite.Test`, `Suite.Other` in `some/file.h` by `A.B`\n",
                 "src/base/a_test.cc": SOURCE + "TEST(Suite, Test) {}\nTEST_F(A, B) {}\n"}
        self.assertEqual(findings(files), {("docs/decisions/1-rules.md", 2, "link")})


class Format(unittest.TestCase):
    @unittest.skipUnless(tidy.shutil.which("clang-format-14"), "clang-format-14 is not installed")
    def test_format(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            (root / "src" / "base").mkdir(parents=True)
            (root / ".clang-format").write_text("BasedOnStyle: Google\n")
            (root / "src" / "base" / "good.cc").write_text("int a;\n")
            (root / "src" / "base" / "bad.cc").write_text("int a;\nint  b;\nint  c;\n")
            found = {(f.path, f.line, f.rule) for f in tidy.check_format(root)}
            self.assertEqual(found, {("src/base/bad.cc", 2, "format")})


def main():
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
