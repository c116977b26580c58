"""Counts what passed and what failed; every test's last line is 'N passed, N failed'."""


class Report:
    def __init__(self, verbose=False):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.verbose = verbose

    def ok(self, name):
        self.passed += 1
        if self.verbose:
            print(f"ok   {name}", flush=True)

    def fail(self, name, detail=""):
        self.failed += 1
        print(f"FAIL {name}", flush=True)
        for line in str(detail).splitlines():
            print(f"     {line}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip {name}: {reason}", flush=True)

    def check(self, condition, name, detail=""):
        """Returns the condition, so that a test can stop where going on is useless."""
        if condition:
            self.ok(name)
        else:
            self.fail(name, detail)
        return bool(condition)

    def equal(self, got, expected, name):
        return self.check(got == expected, name, f"expected {expected!r}\ngot      {got!r}")

    def finish(self):
        """The exit code; call it last: sys.exit(report.finish())."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}", flush=True)
        return 1 if self.failed else 0
