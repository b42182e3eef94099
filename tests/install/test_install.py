"""`cmake --install` into a folder that then moves, and the program of docs/cpp.md built against it, in a project that knows
nothing but the prefix.

    test_install.py BUILD [CMAKE_ARGUMENT...]
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def block(text, language):
    return re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]


def main():
    build, arguments = sys.argv[1], sys.argv[2:]
    page = (ROOT / "docs" / "cpp.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        run("cmake", "--install", build, "--prefix", folder / "first")
        prefix = (folder / "first").rename(folder / "second")
        lib = next(prefix.glob("lib*/**/cmake/uma")).parents[1]
        for path in ("bin/uma", "include/uma/uma.h", "include/uma/nn/linear.h"):
            assert (prefix / path).is_file(), path
        assert sorted(p.name for p in prefix.iterdir()) == sorted({"bin", "include", lib.relative_to(prefix).parts[0]})
        for header in prefix.glob("include/uma/**/*.h"):
            for include in re.findall(r'#include "(.*)"', header.read_text()):
                assert (prefix / "include" / include).is_file(), f"{header} includes {include}"
        for text in lib.glob("cmake/uma/*.cmake"):
            for place in (str(ROOT), str(folder / "first")):
                assert place not in text.read_text(), f"{text} names {place}"
        version = run(prefix / "bin" / "uma", "--version").strip()
        assert (lib / f"libuma.so.{version}").is_file(), version

        project = folder / "project"
        project.mkdir()
        (project / "main.cc").write_text(block(page, "cpp"))
        (project / "CMakeLists.txt").write_text(block(page, "cmake"))
        environment = {k: v for k, v in os.environ.items() if k not in ("CMAKE_PREFIX_PATH", "CXXFLAGS", "LDFLAGS")}
        run("cmake", "-S", project, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}", *arguments, env=environment)
        run("cmake", "--build", folder / "build", env=environment)
        out = run(folder / "build" / "ring", cwd=folder)
        assert "[" in out and "right: array(" in out, out
        losses = [float(x) for x in re.findall(r"loss (\S+)", out)]
        assert len(losses) == 4 and losses[-1] < losses[0] / 2, out
        print(out)


if __name__ == "__main__":
    main()
