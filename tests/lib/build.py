"""Small programs that tests compile when they need them, cached in build/cache by the age of their source."""

import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"


def compiled(source, *flags, compiler=None):
    """The program made from one C or C++ file. `flags` come last, for libraries."""
    source = Path(source)
    program = CACHE / "programs" / f"{source.parent.name}-{source.stem}"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        is_c = source.suffix == ".c"
        command = [compiler or ("cc" if is_c else "c++"), "-O2", "-Wall", "-Wextra", "-pthread",
                   "-std=c11" if is_c else "-std=c++20", str(source), "-o", str(program), *flags]
        subprocess.run(command, check=True, timeout=120)
    return program
