"""Search in packet bytes against bytes.find, with packets that end at an inaccessible page."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmjit.compiler.builder import Builder
from nmjit.compiler.ir import Context, ContextField, Find, Function, Load, Store
from nmjit.compiler.jit import NativeCode
from tests.compiler.batch_runner import compile_function, run_batch

HEAD = 8
NEEDLES = [b"\0", b"G", b"ab", b"GET", b"aaaa", b"abcdefgh", bytes(range(33)), b"x" * 35 + b"y", bytes(range(100))]


def search(needle: bytes) -> NativeCode:
    """Code that looks for the needle from the offset in bytes 0–1 up to the packet's end and stores the result at 2."""
    function = Function("search")
    builder = Builder(function)
    builder.position(builder.block("entry"))
    zero, verdict, port = builder.const(0), builder.const(1), builder.const(-1)
    start = builder.emit(Load(zero, 0, 2))
    end = builder.emit(Context(ContextField.LENGTH))
    builder.emit(Store(zero, 2, 4, builder.emit(Find(start, end, needle))))
    builder.ret(verdict, port)
    return compile_function(function, {})


CODE = {needle: search(needle) for needle in NEEDLES}


def found_in(needle: bytes, texts: list[bytes], skip: int = 0) -> list[int]:
    packets = [(HEAD + min(skip, len(text))).to_bytes(2, "big") + bytes([255] * 6) + text for text in texts]
    result = run_batch(CODE[needle], packets)
    return [int.from_bytes(packet[2:6], "big", signed=True) for packet in result.packets]


def expected_in(needle: bytes, texts: list[bytes], skip: int = 0) -> list[int]:
    return [text[skip:].find(needle) for text in texts]


@pytest.mark.parametrize("needle", NEEDLES, ids=len)
def test_every_place_in_every_size(needle: bytes) -> None:
    filler = bytes([0xF0])
    texts = [filler * size for size in range(0, 140, 3)]
    for size, place in product((len(needle), 31, 32, 33, 64, 65, 130, 200), (0, 1, 15, 31, 32, 33, 63, 64, 99)):
        if place + len(needle) <= size:
            text = filler * place + needle + filler * (size - place - len(needle))
            texts += [text, text[:-1], text[:place] + needle[:-1] + filler * size]
    assert found_in(needle, texts) == expected_in(needle, texts)


@pytest.mark.parametrize("needle", NEEDLES, ids=len)
def test_near_misses_do_not_match(needle: bytes) -> None:
    """First and last byte agree everywhere, the middle only once."""
    miss = needle[:1] + bytes(byte ^ 1 for byte in needle[1:-1]) + needle[-1:]
    texts = [miss * count + needle + miss * 3 for count in range(8)] + [miss * 5]
    assert found_in(needle, texts) == expected_in(needle, texts)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([b"ab", b"aaaa", b"\0"]), st.lists(st.text("ab\0", max_size=120), min_size=1), st.integers(0, 40)
)
def test_small_alphabet(needle: bytes, texts: list[str], skip: int) -> None:
    images = [text.encode() for text in texts]
    assert found_in(needle, images, skip) == expected_in(needle, images, skip)
