"""Runs tests/compiler/lowering/cases/*.case: a filter for each construct, and the IR that is made of it, word for word.

    [case NAME]
    the file `filter.py` from its second line on; the first is PRELUDE of the refused cases
    [ir]
    the IR of its filter `f` behind simplify_cfg, gvn and dead_code

Each case is run as well: the interpreter on the IR, as lowered, agrees with CPython on packets of many kinds.
`pytest tests/compiler --update-cases` rewrites the texts; read the diff before you commit it.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import Function
from nmjit.compiler.irtypes import MAX_PACKET, MapDecl, MapKind
from nmjit.compiler.loader import load_filter
from nmjit.compiler.lowering import Lowered, lower_filter
from nmjit.compiler.mapstate import new_states
from nmjit.compiler.outcome import PacketInfo
from nmjit.compiler.passes import dead_code, gvn, simplify_cfg
from nmjit.compiler.printer import print_function
from nmjit.compiler.wellformed import findings
from tests.compiler.refused.test_refused import PRELUDE
from tests.compiler.test_cases import Section, cases

FOLDER = Path(__file__).parent / "cases"
FILES = sorted(FOLDER.glob("*.case"))
ALL = [pytest.param(path, case, id=f"{path.stem}-{case[0].words[1]}") for path in FILES for case in cases(path)]
TYPES = (b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", b"\x88\x47", b"\x12\x34")


def lowered(file: Path, text: str) -> tuple[Lowered, CPythonBackend]:
    """The filter `f` of the case, lowered, and its definition."""
    file.write_text(PRELUDE + text, encoding="utf-8")
    filter_ = load_filter(file, name="f")
    result = lower_filter(filter_)
    assert findings(result.function) == []
    return result, CPythonBackend(filter_, result.port_objects)


def tidied(function: Function) -> str:
    for run in (simplify_cfg.run, gvn.run, dead_code.run):
        run(function)
    return print_function(function)


def rewritten(path: Path, file: Path) -> str:
    parts = []
    for case in cases(path):
        result, _ = lowered(file, case[0].text)
        parts.append(f"[{' '.join(case[0].words)}]\n{case[0].text.strip()}\n[ir]\n{tidied(result.function)}")
    return "\n".join(parts)


@pytest.mark.parametrize(("path", "case"), ALL)
def test_ir(
    path: Path, case: list[Section], update_cases: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("filter.py")
    if update_cases:
        if case == next(cases(path)):  # once a file
            path.write_text(rewritten(path, file))
        return
    assert [section.words for section in case[1:]] == [["ir"]]
    result, _ = lowered(file, case[0].text)
    assert tidied(result.function).strip() == case[1].text.strip()


def packets() -> list[bytes]:
    """Short ones, and headers of each type with all else at random."""
    rng = random.Random("lowering")
    found = [b"", b"\1", bytes(13), b"GET " * 16, b"\xff" * 64]
    for number in range(120):
        size = rng.choice((20, 34, 60, 64, 65, 100, 128, 1100))
        data = bytearray(rng.randbytes(size) if number % 2 else bytes(rng.choice((0, 1, 2, 5, 8)) for _ in range(size)))
        data[12:14] = TYPES[number % len(TYPES)]
        if data[12:14] == b"\x08\x00":
            data[14:15], data[16:18], data[23:24] = b"\x45", b"\0\0", rng.choice((b"\x06", b"\x11", b"\x01"))
            data[26:27] = rng.choice((b"\x0a", b"\xc0"))
        found.append(bytes(data))
    return found


def rows(decl: MapDecl, entries: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Entries with the parts of their keys as they are packed, without a sign."""
    parts = () if decl.kind is MapKind.LPM else decl.key
    return [
        (*(part % 256**size for part, size in zip(entry, parts, strict=False)), *entry[len(parts) :])
        for entry in entries
    ]


@pytest.mark.parametrize(("path", "case"), ALL)
def test_agrees_with_cpython(path: Path, case: list[Section], tmp_path: Path) -> None:
    result, cpython = lowered(tmp_path / "filter.py", case[0].text)
    interpreter = Interpreter(result.function)
    maps = new_states(result.function.maps)
    for name, state in maps.items():
        state.load(result.maps[name].entries())
    for number, packet in enumerate(packets()):
        room = len(packet) + 6 if number % 3 == 0 else MAX_PACKET
        info = PacketInfo(len(packet), 1 << number % 64, 10**8 * number, 1, 0, 7, number, room)
        expected, here = bytearray(packet), bytearray(packet)
        assert interpreter.run(here, info, maps) == cpython.run(expected, info), packet.hex()
        assert here == expected
        for name, state in maps.items():
            held = result.maps[name].entries()
            assert rows(state.decl, state.entries()) == rows(state.decl, held), (name, packet.hex())
