"""Try an installed wheel in an environment that holds nothing else; run with that environment's own python -I.

Standard library only. Checks: what lies in the wheel; that `import nmjit` is quick and pulls in neither LLVM nor the
extension; that the extension loads; that `nmjit doctor` is content and `nmjit run` runs.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

IMPORT_LIMIT_MS = 60.0
FORBIDDEN_SUFFIXES = (".c", ".h", ".pyx")
WANTED = ("nmjit/__init__.py", "nmjit/py.typed", "nmjit/compiler/__init__.py", "nmjit/runtime/cli/__init__.py")
HEAVY = ("llvmlite", "nmjit.runtime", "nmjit.compiler", "rich", "click", "numpy")


def wheel_findings(wheel: Path) -> list[str]:
    """What is wrong with the wheel's list of files."""
    names = zipfile.ZipFile(wheel).namelist()
    stray = (name for name in names if name.endswith(FORBIDDEN_SUFFIXES) and not name.startswith("nmjit/bench/csrc/"))
    findings = [f"{name} does not belong in a wheel" for name in stray]
    findings += [f"{name} lies outside nmjit/" for name in names if not name.startswith(("nmjit/", "nmjit-"))]
    for wanted in (
        "nmjit/__init__.py",
        "nmjit/py.typed",
        "nmjit/compiler/__init__.py",
        "nmjit/runtime/cli/__init__.py",
    ):
        if wanted not in names:
            findings.append(f"{wanted} is missing from the wheel")
    if not any(name.startswith("nmjit/runtime/_engine") and name.endswith(".so") for name in names):
        findings.append("the extension is missing from the wheel")
    return findings


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout


def import_findings() -> list[str]:
    """What `import nmjit` pulls in that it must not, and whether it takes too long, net of the bare start."""
    loaded = python("import sys, nmjit; print(*sys.modules)").split()
    findings = [f"`import nmjit` loads {name}" for name in loaded if name in HEAVY]
    cost = best_of("import nmjit") - best_of("pass")
    print(f"import nmjit: {cost:.1f} ms")
    if cost > IMPORT_LIMIT_MS:
        findings.append(f"`import nmjit` takes {cost:.0f} ms, more than {IMPORT_LIMIT_MS:.0f}")
    return findings


def best_of(code: str, runs: int = 9) -> float:
    """Milliseconds of the quickest of several runs of a fresh interpreter."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        python(code)
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def nmjit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("nmjit")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def doctor_findings() -> list[str]:
    """What `nmjit doctor` reports as broken."""
    done = nmjit("doctor", "--json")
    if done.returncode:
        return [f"nmjit doctor exits {done.returncode}: {done.stdout}{done.stderr}"]
    for check in json.loads(done.stdout)["checks"]:
        print(f"doctor: {check['name']}: {check['status']}: {check['detail']}")
    return []


def run_findings() -> list[str]:
    """Whether a filter that ships in the wheel compiles and passes the one packet of a capture."""
    program = python("import nmjit.programs.accept_all as f; print(f.__file__)").strip()
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "one.pcap"
        capture.write_bytes(header + struct.pack("<IIII", 0, 0, 60, 60) + bytes(60))
        done = nmjit("run", program, "-r", str(capture), "--backend", "all", "--json")
    if done.returncode:
        return [f"nmjit run exits {done.returncode}: {done.stderr}"]
    passed = json.loads(done.stdout)["verdicts"]["PASS"]
    return [] if passed == 1 else [f"accept_all passes {passed} packets of 1"]


def main() -> int:
    findings = wheel_findings(Path(sys.argv[1])) + import_findings()
    python("import nmjit.runtime._engine")
    findings += doctor_findings() + run_findings()
    for finding in findings:
        print(f"wheel: {finding}", file=sys.stderr)
    print("wheel: " + ("FAILED" if findings else "ok"))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
