"""Contents of maps go in and out as they are, and what does not fit is refused."""

from __future__ import annotations

import pytest

from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.mapstate import Entry, new_state
from tests.compiler.ir_strategies import FIRST_ENTRIES, FLOWS, LIMITS, LOG, MAPS, NAMES, ROUTES, SEEN, SIZES

CONTENTS: dict[MapDecl, list[Entry]] = {
    **FIRST_ENTRIES,
    NAMES: [(-1, 7), (3, 8)],
    SEEN: [(1, 2, 3, 4, 5, 6, 7, 2**32 - 1), (0,) * 8],
    SIZES: [(number,) for number in range(SIZES.capacity)],
    LOG: [(1, -1), (2, -2)],
}


@pytest.mark.parametrize("decl", CONTENTS, ids=str)
def test_round_trip(decl: MapDecl) -> None:
    state = new_state(decl, seed=9)
    state.load(CONTENTS[decl])
    assert state.entries() == CONTENTS[decl]
    again = new_state(decl, seed=9)
    again.load(state.entries())
    assert again.entries() == CONTENTS[decl]


@pytest.mark.parametrize("decl", MAPS, ids=str)
def test_a_new_map(decl: MapDecl) -> None:
    always = decl.kind in (MapKind.ARRAY, MapKind.COUNTER, MapKind.HISTOGRAM, MapKind.BLOOM)
    entry = (0,) * len(decl.layout.fields)
    assert new_state(decl).entries() == ([entry] * decl.capacity if always else [])


@pytest.mark.parametrize("decl", MAPS, ids=str)
def test_entries_of_another_shape(decl: MapDecl) -> None:
    with pytest.raises(ValueError, match=f"map {decl.name} has "):
        new_state(decl).load([(0,) * 20] * (decl.capacity if decl.kind is not MapKind.EVENTS else 1))


def test_loading_replaces() -> None:
    for decl in (NAMES, ROUTES, LOG, LIMITS):
        state = new_state(decl)
        state.load(CONTENTS[decl])
        state.load(CONTENTS[decl][:1] * (2 if decl is LIMITS else 1))
        assert state.entries() == CONTENTS[decl][:1] * (2 if decl is LIMITS else 1)


@pytest.mark.parametrize(
    ("decl", "entries"),
    [
        (NAMES, [(number, 0) for number in range(5)]),
        (ROUTES, [(number, 32, 0) for number in range(9)]),
        (LOG, [(0, 0)] * 4),
        (LIMITS, [(0, 0, 0, 0)]),
        (SEEN, [(0,) * 8]),
    ],
)
def test_too_many_or_too_few(decl: MapDecl, entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match=f"map {decl.name} has "):
        new_state(decl).load(entries)


def test_a_load_holds_nothing() -> None:
    state = new_state(FLOWS)
    state.load((number, 0, 0, 0) for number in range(17))
    assert len(state.entries()) == 16


def test_no_fields_but_one() -> None:
    state = new_state(MapDecl("m", MapKind.ARRAY, Layout.of((("", Scalar(1)),)), 2))
    state.load([(1,), (2,)])
    assert state.entries() == [(1,), (2,)]
