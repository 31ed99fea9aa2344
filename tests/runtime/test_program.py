"""Programs: the cache, first contents of maps, results on each back end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nmjit import DROP, PASS, REDIRECT
from nmjit.compiler import jit
from nmjit.compiler.errors import CompileError
from nmjit.runtime import Host
from nmjit.runtime.program import BACKENDS, DESCRIPTORS, Frame, PacketResult, Program

SOURCE = """
from nmjit import *

LIMIT = 3
SEEN = Array(u32, 4)
SEEN[2] = 40
OUT = Port()

@filter
def f(pkt: Packet) -> Verdict:
    SEEN[len(pkt)] += 1
    if SEEN[len(pkt)] > LIMIT and len(pkt) == 1:
        return redirect(OUT)
    return DROP if now() == 7 else PASS
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "f.py").write_text(SOURCE)
    return tmp_path / "f.py"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The LLVM text of everything that is compiled."""
    texts: list[str] = []
    compile_object = jit.compile_object

    def noted(llvm_ir: str) -> bytes:
        texts.append(llvm_ir)
        return compile_object(llvm_ir)

    monkeypatch.setattr(jit, "compile_object", noted)
    return texts


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_and_maps(path: Path, tmp_path: Path, backend: str) -> None:
    program = Program.load(path, backend=backend, cache_directory=tmp_path / "cache")
    frames: list[bytes | Frame] = [
        b"a",
        b"a",
        b"bb",
        b"a",
        b"a",
        Frame(b"", timestamp=7),
        b"four",
        Frame(b"bb", timestamp=3),
    ]
    assert program.run_packets(frames) == [
        PacketResult(PASS, b"a"),
        PacketResult(PASS, b"a"),
        PacketResult(PASS, b"bb"),
        PacketResult(PASS, b"a"),
        PacketResult(REDIRECT, b"a", port="OUT"),
        PacketResult(DROP, b""),
        PacketResult(program.run_packets([b"four"])[0].verdict, b"four", None, "IndexError", 11),
        PacketResult(DROP, b"bb"),  # now() does not go back to 3
    ]
    assert program.map_entries() == {"SEEN": [(1,), (4,), (42,), (0,)]}
    program.reset()
    assert program.map_entries() == {"SEEN": [(0,), (0,), (40,), (0,)]}


def test_a_second_load_compiles_nothing(path: Path, tmp_path: Path, compilations: list[str]) -> None:
    for _ in range(2):
        assert Program.load(path, cache_directory=tmp_path / "cache").run(b"bb").verdict == PASS
    assert len(compilations) == 1


@pytest.mark.parametrize("how", ["define", "edit", "paranoid"])
def test_what_changes_the_code_compiles_anew(path: Path, tmp_path: Path, compilations: list[str], how: str) -> None:
    def verdicts(**options: object) -> list[str]:
        program = Program.load(path, cache_directory=tmp_path / "cache", **options)  # type: ignore[arg-type]
        return [result.verdict.name for result in program.run_packets([b"a"] * 3)]

    assert verdicts() == ["PASS", "PASS", "PASS"]
    if how == "define":
        assert verdicts(defines={"LIMIT": "1"}) == ["PASS", "REDIRECT", "REDIRECT"]
    elif how == "edit":
        path.write_text(SOURCE.replace("LIMIT = 3", "LIMIT = 2"))
        assert verdicts() == ["PASS", "PASS", "REDIRECT"]
    else:
        assert verdicts(paranoid=True) == ["PASS", "PASS", "PASS"]
    assert len(compilations) == 2


def test_without_a_cache_nothing_is_kept(path: Path, tmp_path: Path, compilations: list[str]) -> None:
    for _ in range(2):
        Program.load(path, cache_directory=tmp_path / "cache", use_cache=False)
    assert len(compilations) == 2
    assert not (tmp_path / "cache").exists()


def test_processes_may_share_a_cache(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nmjit.runtime.program import Program;"
        "print(Program.load(sys.argv[1], cache_directory=Path(sys.argv[2])).run(b'bb').verdict)"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["PASS\n"] * 4
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cached_start_imports_no_compiler(path: Path, tmp_path: Path) -> None:
    Program.load(path, cache_directory=tmp_path / "cache")
    code = (
        "import sys; from pathlib import Path; from nmjit.runtime.program import Program;"
        "Program.load(sys.argv[1], cache_directory=Path(sys.argv[2])).run(b'');"
        "print([n for n in ('ir', 'lowering', 'verifier', 'emit', 'pipeline') if 'nmjit.compiler.' + n in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "cache")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_filter_is_refused_by_every_back_end(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "f.py"
    path.write_text("from nmjit import *\n\n@filter\ndef f(pkt: Packet) -> Verdict:\n    while True:\n        pass\n")
    with pytest.raises(CompileError, match="no bound that can be shown"):
        Program.load(path, backend=backend, cache_directory=tmp_path / "cache")


def test_a_report_comes_from_the_cache_too(path: Path, tmp_path: Path) -> None:
    first, second = (Program.load(path, cache_directory=tmp_path / "cache").report for _ in range(2))
    assert first == second
    assert {check["exception"] for check in first["open"]} == {"IndexError"}
    assert first["maps_bytes"] == 16


def test_an_artifact_names_what_running_needs(path: Path, tmp_path: Path) -> None:
    program = Program.load(path, cache_directory=tmp_path / "cache")
    assert program.artifact(DESCRIPTORS).redirects
    assert list(program.ports) == ["OUT"]
    assert [decl.name for decl in program.maps] == ["SEEN"]
    assert program.address_for(DESCRIPTORS) == program.address_for(DESCRIPTORS)


COUNTING = """
from nmjit import *

LENGTHS = Array(u64, 64)
LENGTHS[3] = 1000

@filter
def f(pkt: Packet) -> Verdict:
    LENGTHS[pkt[0] & 3] += 1
    return DROP
"""


def test_two_workers_lose_no_addition(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(COUNTING)
    program = Program.load(tmp_path / "f.py", workers=2, cache_directory=tmp_path / "cache")
    with Host() as host:
        port = host.open("mem:a", queues=2)
        instance = host.attach(program, "mem:a")
        host.start()
        counted = 0
        while counted < 60_000:  # a full ring takes none for a moment
            counted += sum(port.put_many([bytes([n]) * 60 for n in range(4)] * 20, queue) for queue in range(2))
        assert host.drain()
        assert instance.stats().packets()["DROP"] == counted
        assert sum(value for (value,) in instance.maps["LENGTHS"].entries()) == 1000 + counted


def test_code_for_one_worker_serves_no_two_queues(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(COUNTING)
    program = Program.load(tmp_path / "f.py", cache_directory=tmp_path / "cache")
    with Host() as host:
        host.open("mem:a", queues=2)
        with pytest.raises(ValueError, match="workers=2"):
            host.attach(program, "mem:a")
