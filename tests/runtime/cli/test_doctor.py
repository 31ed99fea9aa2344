"""doctor.py: what it finds here, what it says of trouble, and its exit code."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmjit.runtime.cli import doctor
from nmjit.runtime.cli.entry import execute
from nmjit.runtime.probe import Feature


def test_this_machine_can_run_filters(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is True
    checks = {check["name"]: check for check in told["checks"]}
    assert list(checks) == ["Python", "LLVM", "extension", "code cache", "netmap", "AF_XDP"]
    assert all(checks[name]["status"] == "ok" for name in ("Python", "LLVM", "extension"))
    assert all(bool(check["fix"]) == (check["status"] != "ok") for check in told["checks"])
    assert set(checks["LLVM"]) == {"name", "status", "required", "detail", "fix"}


def test_text_names_each_check_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = doctor.Finding("flux", False, True, "no capacitor", "apt-get install flux")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: broken, lambda: doctor.Finding("air", True, False, "plenty")))
    assert execute(["doctor"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "  broken  flux: no capacitor",
        "                fix: apt-get install flux",
        "      ok  air: plenty",
    ]


def test_an_optional_lack_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (lambda: doctor.Finding("netmap", False, False, "absent", "modprobe"),))
    assert execute(["doctor"]) == 0


def test_a_feature_that_is_missing_says_why() -> None:
    def attempt() -> None:
        raise OSError(errno.ENOENT, "gone")

    feature = Feature("netmap", attempt, since="", fix="modprobe netmap", reasons={errno.ENOENT: "not loaded"})
    finding = doctor._feature(feature)
    assert (finding.status, finding.detail, finding.fix) == ("missing", "not loaded", "modprobe netmap")


def test_an_extension_that_does_not_load_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nmjit.runtime._engine", None)
    assert doctor._extension().status == "broken"


def test_a_cache_that_others_may_write_is_trouble(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert doctor._cache_trouble(tmp_path) == "is writable for other users"
    tmp_path.chmod(0o700)
    assert doctor._cache_trouble(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_cache_of_another_user_is_trouble(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    assert doctor._cache_trouble(tmp_path) == "belongs to another user"


def test_a_cache_that_does_not_exist_yet_is_fine(tmp_path: Path) -> None:
    assert doctor._cache_trouble(tmp_path / "a" / "b") is None


def test_doctor_runs_from_anywhere(tmp_path: Path) -> None:
    code = "import sys; from nmjit.runtime.cli import main; sys.argv = ['nmjit', 'doctor']; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
