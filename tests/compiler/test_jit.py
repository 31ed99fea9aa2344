"""Compiling and loading: no foreign symbols, code that lives as long as its handle, texts for reading."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from nmjit.compiler.abi import BATCH_SYMBOL, Accessor, AccessorKind
from nmjit.compiler.emit import emit_module
from nmjit.compiler.jit import assembly_text, compile_object, load_object, optimised_text, target_identity
from nmjit.compiler.options import EmitOptions
from tests.compiler.batch_runner import DESCRIPTORS, run_batch
from tests.compiler.ir_strategies import function_of
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import DROP, PASS, accept_all, access_list, port_filter
from tests.compiler.test_emit_int import RANGES, Workbench, all_operators

SHT_SYMTAB = 2
SHN_UNDEF = 0
CALLS_ELSEWHERE = f"""
declare void @elsewhere()
define i32 @{BATCH_SYMBOL}() {{
  call void @elsewhere()
  ret i32 0
}}
"""


def undefined_symbols(image: bytes) -> list[str]:
    """Names that an ELF64 object needs from elsewhere (elf(5))."""
    assert image[:6] == b"\x7fELF\x02\x01"
    (table_offset,) = struct.unpack_from("<Q", image, 40)
    entry_size, entries = struct.unpack_from("<HH", image, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, table_offset + n * entry_size) for n in range(entries)]
    names = []
    for _, kind, _, _, offset, size, link, _, _, entry in sections:
        if kind == SHT_SYMTAB:
            strings = sections[link][4]
            for place in range(offset + entry, offset + size, entry):
                name, _, _, section = struct.unpack_from("<IBBH", image, place)
                if section == SHN_UNDEF:
                    start = strings + name
                    names.append(image[start : image.index(b"\0", start)].decode())
    return names


def test_the_scan_sees_an_undefined_symbol() -> None:
    assert undefined_symbols(compile_object(CALLS_ELSEWHERE)) == ["elsewhere"]


def test_foreign_symbol_does_not_load() -> None:
    with pytest.raises(RuntimeError, match="symbols"):
        load_object(compile_object(CALLS_ELSEWHERE))


@pytest.mark.parametrize("kind", list(AccessorKind))
def test_filters_need_nothing_from_elsewhere(kind: AccessorKind) -> None:
    for draft in (accept_all(), port_filter(), access_list()):
        image = compile_object(emit_module(draft.function, draft.ranges, Accessor(kind)))
        assert undefined_symbols(image) == []


@pytest.mark.parametrize("left", RANGES)
@pytest.mark.parametrize("right", RANGES)
def test_arithmetic_needs_nothing_from_elsewhere(left: str, right: str) -> None:
    """128-bit division or multiplication with overflow would be calls of a library."""
    bench = Workbench()
    all_operators(bench, bench.operand(0, RANGES[left]), bench.operand(1, RANGES[right]))
    bench.finish()
    assert undefined_symbols(compile_object(emit_module(bench.function, bench.ranges, DESCRIPTORS))) == []


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("paranoid", [False, True])
def test_random_functions_need_nothing_from_elsewhere(seed: int, paranoid: bool) -> None:
    function = function_of(seed, 80)
    text = emit_module(function, natural_ranges(function), DESCRIPTORS, EmitOptions(paranoid=paranoid))
    assert undefined_symbols(compile_object(text)) == []


def test_ill_formed_text_is_our_bug() -> None:
    with pytest.raises(RuntimeError, match="parsing"):
        compile_object("define i32 @nmjit_batch() { ret i64 0 }")


def test_damaged_object_does_not_load() -> None:
    with pytest.raises(RuntimeError):
        load_object(b"\x7fELF not quite")


def test_objects_live_side_by_side() -> None:
    """Each load is a library of its own, and one that goes takes no other with it."""
    accept, drop = accept_all(), port_filter()
    packets = [bytes(60)] * 3
    images = [compile_object(emit_module(draft.function, draft.ranges, DESCRIPTORS)) for draft in (accept, drop)]
    first, second, again = load_object(images[0]), load_object(images[1]), load_object(images[0])
    assert len({first.address, second.address, again.address}) == 3
    del first
    assert run_batch(second, packets).verdicts == [DROP] * 3
    assert run_batch(again, packets).verdicts == [PASS] * 3


def test_object_of_another_process_loads() -> None:
    """What the cache relies on."""
    script = (
        "import sys; from nmjit.compiler.jit import compile_object;"
        "sys.stdout.buffer.write(compile_object(sys.stdin.read()))"
    )
    draft = port_filter()
    text = emit_module(draft.function, draft.ranges, DESCRIPTORS)
    image = subprocess.run([sys.executable, "-c", script], input=text.encode(), capture_output=True, check=True).stdout
    assert image == compile_object(text)
    assert run_batch(load_object(image), [bytes(60)]).verdicts == [DROP]


def test_texts_show_the_batch_function() -> None:
    draft = port_filter()
    text = emit_module(draft.function, draft.ranges, DESCRIPTORS)
    assert f"{BATCH_SYMBOL}:" in assembly_text(text)
    assert f"@{BATCH_SYMBOL}" in optimised_text(text)
    assert "call i8 @packet" not in optimised_text(text)  # inlined


def test_identity_names_what_code_depends_on() -> None:
    import llvmlite

    identity = target_identity()
    assert identity == target_identity()
    assert f"llvmlite {llvmlite.__version__}" in identity
    assert "+" in identity, "no CPU features"
