"""The random construction: SplitMix64 itself by known outputs, ours by its definition."""

from hypothesis import given
from hypothesis import strategies as st

from nmjit._random import packet_random, splitmix64

U64 = st.integers(0, 2**64 - 1)


def test_splitmix64_gives_the_published_outputs() -> None:
    assert [splitmix64(1234567, i) for i in range(5)] == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


def _mix(z: int) -> int:
    """The output function of SplitMix64 with every step reduced."""
    mask = 2**64 - 1
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


@given(U64, U64, U64)
def test_is_the_documented_formula(seed: int, packet: int, call: int) -> None:
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    state = _mix((seed + gamma * (packet + 1)) & mask)
    assert packet_random(seed, packet, call) == _mix((state + gamma * (call + 1)) & mask) & 0xFFFFFFFF


def test_calls_and_packets_differ() -> None:
    drawn = {packet_random(1, packet, call) for packet in range(100) for call in range(10)}
    assert len(drawn) > 990
