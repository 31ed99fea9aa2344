"""slices/: which look-ups are run ahead, by what code, and why others are not."""

from __future__ import annotations

import random
import textwrap
from collections import Counter
from collections.abc import Iterator

import pytest

from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import Branch, Check, Function, Load, MapFind, Op, Prefetch, Raise, Window, writes_memory
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.passes import drop_checks
from nmjit.compiler.pipeline import AFTER_VERIFYING, BEFORE_VERIFYING
from nmjit.compiler.reader import read_function
from nmjit.compiler.slices import Slices, slices
from nmjit.compiler.verifier import verify
from nmjit.compiler.wellformed import findings
from tests.compiler.ir_strategies import fresh_maps, function_of

ALL_MAPS = EmitOptions(slice_bytes=0)
HEAD = """
  site #0: IndexError at 7:3 "guard"
  site #1: OverflowError at 8:3 "guard"
  map @flows: lru [32] base 0 key [u32: 4] { next: u32, place: u8 }
  map @names: hash [32] base 0 key [u32: 4] { : u64 }
  map @routes: lpm [8] base 0 key [IPv4Address: 4] { : u16 }
  map @seen: bloom [2] base 0 key [u32: 4] { a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32 }
  map @slots: array [256] base 0 { : u64 }
b0:
  %900 = const int 0
  %901 = const int -1
  %902 = const int 1
  %903 = length
  %904 = const int 40
  %905 = cmp ge %903, %904
  check %905 site #0
"""
END = "return %902, %901"


def sliced(body: str, options: EmitOptions = ALL_MAPS) -> Slices:
    """The slices of a function whose packets have 40 bytes; END ends a block. All of them are well-formed."""
    function = read_function("filter f {" + HEAD + textwrap.dedent(body).replace("END", END) + "\n}")
    assert not findings(function)
    analysis = verify(function)
    assert analysis.accepted
    made = slices(function, analysis, options)
    for part in made.functions:
        assert not findings(part.function, is_slice=True)
    return made


def key(number: int, displacement: int, map: str = "flows") -> str:
    """Values %`number` (a word of the packet), then its key and the key's hash."""
    return f"""
        %{number} = load 4 be %900 + {displacement}
        %{number + 1} = pack %{number}:4
        %{number + 2} = hash @{map} %{number + 1}
    """


def told(made: Slices) -> list[tuple[str, int | None, str]]:
    return [(lookup.map, lookup.level, lookup.reason) for lookup in made.lookups]


def prefetches(made: Slices) -> list[list[str]]:
    """Maps prefetched, by slice."""
    return [[op.map.name for op in part.function.ops() if isinstance(op, Prefetch)] for part in made.functions]


def ops_of(made: Slices, kind: type[Op], place: int = 0) -> list[Op]:
    return [op for op in made.functions[place].function.ops() if isinstance(op, kind)]


@pytest.mark.parametrize(
    ("look_up", "map"),
    [
        ("%4 = mapfind touch @flows %2, %3", "flows"),
        ("%4 = mapinsert @flows %2, %3 {%900, %900}", "flows"),
        ("%4 = mapdelete @flows %2, %3", "flows"),
        ("%4 = lpmfind @routes %1", "routes"),
        ("%4 = bloomtest @seen %3", "seen"),
        ("%4 = bloomadd @seen %3", "seen"),
        ("%8 = load 1 be %900 + 9\n%4 = mapload @slots[%8].", "slots"),
        ("%8 = load 1 be %900 + 9\nmapadd @slots[%8]., %902", "slots"),
        ("%8 = load 1 be %900 + 9\nmapstore @slots[%8]., %902", "slots"),
    ],
)
def test_each_kind_of_look_up(look_up: str, map: str) -> None:
    made = sliced(f"{key(1, 4)}\n{look_up}\nEND")
    assert told(made) == [(map, 0, "")]
    assert prefetches(made) == [[map]]


def test_a_constant_index_is_no_look_up() -> None:
    assert sliced("%1 = mapload @slots[%902].\nEND").lookups == ()


def test_a_slice_has_no_effects_and_cannot_raise() -> None:
    made = sliced(f"""
        {key(1, 4)}
        store 4 be %900 + 20, %1
        mapadd @slots[%902]., %902
        %5 = add %1, %902
        %6 = window %5 site #1
        %7 = pack %6:4
        %8 = hash @flows %7
        %9 = mapfind touch @flows %7, %8
        END
    """)
    assert told(made) == [("flows", 0, "")]
    (part,) = made.functions
    assert not [op for op in part.function.ops() if isinstance(op, Check | Window | Raise)]
    assert [type(op) for op in part.function.ops() if writes_memory(op)] == [Prefetch]
    assert part.function.sites == []


def test_a_failed_check_leaves_the_slice() -> None:
    made = sliced(f"{key(1, 4)}\n%4 = mapfind @flows %2, %3\nEND")
    seen: list[int] = []
    for length in (39, 40):
        interpreter = Interpreter(made.functions[0].function, is_slice=True)
        reached = _count(interpreter, made.functions[0].function, bytes(length))
        seen.append(reached[Prefetch])
    assert seen == [0, 1]


def _count(interpreter: Interpreter, function: Function, packet: bytes) -> Counter[type[Op]]:
    reached: Counter[type[Op]] = Counter()
    outcome = interpreter.run(bytearray(packet), PacketInfo(len(packet)), fresh_maps(function), reached=reached)
    assert outcome == Outcome(0, -1)
    return reached


def test_an_assignment_is_one_look_up() -> None:
    made = sliced(f"""
        {key(1, 4)}
        %4 = mapfind touch @flows %2, %3
        %5 = cmp ge %4, %900
        branch %5, b2, b1
        b1:
        %6 = mapinsert @flows %2, %3 {{%900, %900}}
        jump b2
        b2:
        END
    """)
    assert told(made) == [("flows", 0, "")]
    assert prefetches(made) == [["flows"]]


def test_a_look_up_under_a_condition_of_the_packet() -> None:
    made = sliced(f"""
        {key(1, 4)}
        %10 = load 1 be %900 + 9
        %11 = cmp eq %10, %902
        branch %11, b1, b2
        b1:
        %4 = mapfind @flows %2, %3
        jump b3
        b2:
        %12 = lpmfind @routes %1
        jump b3
        b3:
        END
    """)
    assert told(made) == [("flows", 0, ""), ("routes", 0, "")]
    (part,) = made.functions
    interpreter = Interpreter(part.function, is_slice=True)
    for byte in (0, 1):
        assert _count(interpreter, part.function, bytes([byte] * 40))[Prefetch] == 1


GUARDED = f"""
    {key(1, 4)}
    {key(11, 8, "names")}
    %4 = mapfind @flows %2, %3
    %5 = cmp ge %4, %900
    branch %5, b1, b2
    b1:
    {{found}}
    jump b3
    b2:
    {{missed}}
    jump b3
    b3:
    END
"""


@pytest.mark.parametrize("found", [True, False])
def test_a_look_up_behind_what_a_map_says(found: bool) -> None:
    """The slice goes where there is something to look up."""
    look_up = "%20 = mapfind @names %12, %13"
    made = sliced(GUARDED.format(found=look_up if found else "", missed="" if found else look_up))
    assert told(made) == [("flows", 0, ""), ("names", 0, "")]
    assert prefetches(made) == [["flows", "names"]]
    assert [op for op in ops_of(made, Branch) if isinstance(op, Branch)]  # the check alone


def test_look_ups_on_both_ways_from_what_a_map_says() -> None:
    """Only one way can be gone."""
    made = sliced(GUARDED.format(found="%20 = mapfind @names %12, %13", missed="%21 = lpmfind @routes %1"))
    reason = "whether it is reached depends on what a map holds"
    assert told(made) == [("flows", 0, ""), ("names", 0, ""), ("routes", None, reason)]


def test_a_merge_of_constants_that_a_map_decides() -> None:
    """What `e = m.get(k)` and `if e is None` become."""
    made = sliced(f"""
        {key(1, 4)}
        {key(11, 8, "names")}
        %30 = const bool true
        %31 = const bool false
        %4 = mapfind @flows %2, %3
        %5 = cmp ge %4, %900
        branch %5, b1, b2
        b1:
        jump b3
        b2:
        jump b3
        b3:
        %6 = phi bool b1: %30, b2: %31
        branch %6, b5, b4
        b4:
        %20 = mapfind @names %12, %13
        jump b5
        b5:
        END
    """)
    assert told(made) == [("flows", 0, ""), ("names", 0, "")]


NESTED = f"""
    {key(1, 4)}
    %4 = mapfind touch @flows %2, %3
    %5 = cmp ge %4, %900
    branch %5, b1, b2
    b1:
    %6 = mapload @flows[%4].next
    %7 = pack %6:4
    %8 = hash @names %7
    %9 = mapfind touch @names %7, %8
    {{third}}
    jump b2
    b2:
    END
"""


def test_a_key_out_of_another_look_up() -> None:
    made = sliced(NESTED.format(third=""))
    assert told(made) == [("flows", 0, ""), ("names", 1, "")]
    assert prefetches(made) == [["flows"], ["names"]]
    (peek,) = ops_of(made, MapFind, 1)
    assert isinstance(peek, MapFind)
    assert (peek.map.name, peek.touch) == ("flows", False)
    assert not ops_of(made, MapFind, 0)


def test_a_third_level_is_not_had() -> None:
    third = """
        %10 = cmp ge %9, %900
        check %10 site #0
        %11 = mapload @names[%9].
        %12 = wrap u32 %11
        %13 = lpmfind @routes %12
    """
    reason = "its key comes out of a look-up whose own key does, or which is not prefetched"
    assert told(sliced(NESTED.format(third=third))) == [("flows", 0, ""), ("names", 1, ""), ("routes", None, reason)]


def test_the_key_of_an_entry_just_made() -> None:
    """The slice looks for the entry; where there is none yet, it ends."""
    made = sliced(f"""
        {key(1, 4)}
        %4 = mapinsert @flows %2, %3 {{%1, %900}}
        %5 = cmp ge %4, %900
        check %5 site #0
        %6 = mapload @flows[%4].next
        %7 = lpmfind @routes %6
        END
    """)
    assert told(made) == [("flows", 0, ""), ("routes", 1, "")]
    assert len(ops_of(made, MapFind, 1)) == 1


LOOPING = f"""
    %1 = const int {{rounds}}
    jump b1
    b1:
    %2 = phi int b0: %900, b2: %3
    %4 = cmp lt %2, %1
    branch %4, b2, b3
    b2:
    %3 = add %2, %902
    %5 = load 1 be %2 + 4
    %6 = pack %5:4
    %7 = hash @flows %6
    %8 = mapfind @flows %6, %7
    jump b1
    b3:
    {key(11, 8, "names")}
    %20 = mapfind @names %12, %13
    END
"""


@pytest.mark.parametrize(("rounds", "covered"), [(1, True), (4, True), (5, False), (30, False)])
def test_a_look_up_in_a_loop(rounds: int, covered: bool) -> None:
    made = sliced(LOOPING.format(rounds=rounds))
    flows = ("flows", 0, "") if covered else ("flows", None, "it is in a loop of more than 4 turns")
    assert told(made) == sorted([flows, ("names", 0, "")])
    if covered:
        reached = _count(Interpreter(made.functions[0].function, is_slice=True), made.functions[0].function, bytes(40))
        assert reached[Prefetch] == rounds + 1


def test_a_loop_that_a_map_ends() -> None:
    """The slice can't know the end, and must not run for ever."""
    made = sliced("""
        %1 = const int 20
        jump b1
        b1:
        %2 = phi int b0: %900, b2: %3
        %4 = lpmfind @routes %2
        %5 = cmp ge %4, %900
        branch %5, b3, b2
        b2:
        %3 = add %2, %902
        %6 = cmp lt %3, %1
        branch %6, b1, b3
        b3:
        %20 = load 4 be %900 + 8
        %21 = lpmfind @routes %20
        END
    """)
    assert {level for _, level, _ in told(made)} == {None, 0}


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        ("store 4 be %900 + 8, %902", ""),
        ("store 4 be %900 + 0, %902", ""),
        ("store 1 be %900 + 7, %902", "its key is made of packet bytes that the filter may have changed before"),
        ("storebytes %900 + 2, %30", "its key is made of packet bytes that the filter may have changed before"),
        ("store 1 be %31 + 0, %902", "its key is made of packet bytes that the filter may have changed before"),
        ("store 1 be %31 + 8, %902", ""),
    ],
)
def test_a_key_behind_a_store(write: str, reason: str) -> None:
    made = sliced(f"""
        %30 = const bytes5 "0102030405"
        %32 = load 1 be %900 + 30
        %33 = const int 7
        %31 = and %32, %33
        {write}
        {key(1, 4)}
        %4 = mapfind @flows %2, %3
        END
    """)
    assert told(made) == [("flows", None if reason else 0, reason)]


def test_a_store_on_the_way_round_a_loop() -> None:
    made = sliced("""
        %1 = const int 3
        jump b1
        b1:
        %2 = phi int b0: %900, b2: %3
        %4 = cmp lt %2, %1
        branch %4, b2, b3
        b2:
        %3 = add %2, %902
        %5 = load 1 be %900 + 4
        %6 = lpmfind @routes %5
        store 1 be %900 + 4, %902
        jump b1
        b3:
        END
    """)
    assert [reason for _, _, reason in told(made)] == [
        "its key is made of packet bytes that the filter may have changed before"
    ]


@pytest.mark.parametrize(("displacement", "covered"), [(4, True), (-4, False)])
def test_a_key_behind_a_push(displacement: int, covered: bool) -> None:
    made = sliced(f"""
        %30 = const int 8
        %31 = room
        %32 = add %903, %30
        %33 = cmp le %32, %31
        check %33 site #0
        %34 = const int -8
        movehead %900, %34
        {key(1, displacement)}
        %4 = mapfind @flows %2, %3
        END
    """)
    assert [lookup.covered for lookup in made.lookups] == [covered]


def test_a_key_behind_a_pull() -> None:
    made = sliced(f"%30 = const int 14\nmovehead %900, %30\n{key(1, 18)}\n%4 = mapfind @flows %2, %3\nEND")
    assert told(made) == [("flows", 0, "")]


def test_a_key_out_of_an_operation_that_changes_a_map() -> None:
    made = sliced(f"""
        {key(1, 4)}
        %4 = bloomadd @seen %3
        %5 = select %4, %1, %902
        %6 = lpmfind @routes %5
        END
    """)
    reason = "its key comes out of an operation that changes a map"
    assert told(made) == [("routes", None, reason), ("seen", 0, "")]


def test_small_maps_are_left_out_and_looked_into_at_once() -> None:
    """@flows and @names take more than a page, @routes a table of 2**24 cells."""
    small = EmitOptions(slice_bytes=1 << 20)
    made = sliced(
        f"""
        {key(1, 4)}
        %4 = mapfind @flows %2, %3
        %5 = cmp ge %4, %900
        check %5 site #0
        %6 = mapload @flows[%4].next
        %7 = lpmfind @routes %6
        END
    """,
        small,
    )
    assert told(made) == [("flows", None, "its memory fits the cache"), ("routes", 0, "")]
    assert prefetches(made) == [["routes"]]


def test_a_key_read_again_is_asked_for_once() -> None:
    """Both look-ups are covered, by one Prefetch of a word read once."""
    made = sliced(f"""
        {key(1, 4)}
        %4 = mapfind @flows %2, %3
        %5 = cmp ge %4, %900
        branch %5, b1, b2
        b1:
        {key(11, 4)}
        %14 = mapfind touch @flows %12, %13
        jump b2
        b2:
        END
    """)
    assert told(made) == [("flows", 0, "")]
    assert prefetches(made) == [["flows"]]
    assert len(ops_of(made, Load)) == 1


def test_switched_off() -> None:
    made = sliced(NESTED.format(third=""), EmitOptions(slices=False, slice_bytes=0))
    assert made.functions == ()
    assert {reason for _, _, reason in told(made)} == {"prefetch slices are switched off"}


def test_what_no_place_depends_on_is_left_out() -> None:
    made = sliced(f"""
        {key(1, 4)}
        %10 = load 8 be %900 + 24
        %11 = cmp gt %10, %902
        branch %11, b1, b2
        b1:
        mapadd @slots[%902]., %10
        jump b2
        b2:
        %4 = mapfind @flows %2, %3
        store 8 be %900 + 30, %10
        END
    """)
    assert [op.size for op in ops_of(made, Load) if isinstance(op, Load)] == [4]
    assert len(ops_of(made, Branch)) == 1


def test_a_loop_that_no_place_depends_on_is_passed_by() -> None:
    made = sliced(f"""
        %1 = const int 4
        jump b1
        b1:
        %2 = phi int b0: %900, b2: %3
        %9 = phi int b0: %900, b2: %10
        %4 = cmp lt %2, %1
        branch %4, b2, b3
        b2:
        %3 = add %2, %902
        %10 = xor mod 32 %9, %2
        jump b1
        b3:
        store 4 be %900 + 30, %9
        {key(11, 8)}
        %20 = mapfind @flows %12, %13
        END
    """)
    assert told(made) == [("flows", 0, "")]
    assert len(ops_of(made, Branch)) == 1


def test_too_long_a_slice() -> None:
    made = sliced(f"""
        %1 = const int 500
        jump b1
        b1:
        %2 = phi int b0: %900, b2: %3
        %9 = phi int b0: %900, b2: %10
        %4 = cmp lt %2, %1
        branch %4, b2, b3
        b2:
        %3 = add %2, %902
        %10 = xor mod 32 %9, %2
        jump b1
        b3:
        %6 = lpmfind @routes %9
        {key(11, 8)}
        %20 = mapfind @flows %12, %13
        END
    """)
    reason = "its key takes more than 1,000 operations to compute"
    assert told(made) == [("flows", 0, ""), ("routes", None, reason)]


def _packets(seed: int) -> Iterator[bytes]:
    generator = random.Random(seed)
    for _ in range(6):
        yield generator.randbytes(generator.choice((0, 14, 34, 60, 96)))


@pytest.mark.parametrize("first", range(0, 200, 40))
@pytest.mark.parametrize("size", [25, 80])
def test_slices_of_generated_functions_change_nothing(first: int, size: int) -> None:
    """Nor does one run into an obligation that is not met, which the interpreter would tell."""
    covered = 0
    for seed in range(first, first + 40):
        function = function_of(seed, size)
        for run in BEFORE_VERIFYING:
            run(function)
        analysis = verify(function)
        drop_checks.run(function, analysis.proven)
        for run in AFTER_VERIFYING:
            run(function)
        made = slices(function, analysis, ALL_MAPS)
        covered += sum(lookup.covered for lookup in made.lookups)
        for part in made.functions:
            assert not findings(part.function, is_slice=True), seed
            interpreter = Interpreter(part.function, is_slice=True)
            for packet in _packets(seed):
                maps = fresh_maps(part.function)
                before = {name: state.entries() for name, state in maps.items()}
                left = bytearray(packet)
                assert interpreter.run(left, PacketInfo(len(packet)), maps) == Outcome(0, -1), seed
                assert left == packet, seed
                assert {name: state.entries() for name, state in maps.items()} == before, seed
    assert covered > 5
