"""Array, Counter and NetworkSet against their definitions."""

import io
import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import Array, Counter, NetworkSet, i8, struct, u8, u16, u32, u64


@struct
class Flow:
    packets: u64 = 0
    ttl: u8 = 64


class TestArray:
    def test_is_a_mapping_of_its_indices(self) -> None:
        array = Array(u16, 3)
        array[1] = 0x1_0005
        array[2] -= 1
        assert dict(array) == {0: 0, 1: 5, 2: 0xFFFF}
        assert (len(array), list(array), 2 in array, 3 in array, -1 in array) == (3, [0, 1, 2], True, False, False)

    @pytest.mark.parametrize("index", [-1, 3, 2**64])
    def test_refuses_other_keys(self, index: int) -> None:
        array = Array(u8, 3)
        with pytest.raises(IndexError):
            array[index]
        with pytest.raises(IndexError):
            array[index] = 1

    def test_structs_are_live_references_and_copied_in(self) -> None:
        array = Array(Flow, 2)
        entry = array[0]
        entry.packets += 3
        assert array[0].packets == 3
        given_flow = Flow(9, 1)
        array[0] = given_flow
        given_flow.packets = 100
        assert (array[0], entry.packets, array[1]) == (Flow(9, 1), 9, Flow(0, 64))

    def test_entries_load_and_reset(self) -> None:
        array, bare = Array(Flow, 2), Array(i8, 2)
        reference = array[1]
        array.load([(1, 2), (3, 260)])
        bare.load([(127,), (128,)])
        assert array.entries() == [(1, 2), (3, 4)]
        assert bare.entries() == [(127,), (-128,)]
        assert reference.packets == 3
        array.reset()
        bare.reset()
        assert array.entries() == [(0, 64)] * 2
        assert bare.entries() == [(0,)] * 2
        assert reference.packets == 0

    @pytest.mark.parametrize("entries", [[], [(1,)], [(1, 2)] * 2, [(1,)] * 3])
    def test_load_wants_the_same_shape(self, entries: list[tuple[int, ...]]) -> None:
        with pytest.raises(ValueError, match="needs 2 entries of 1"):
            Array(u8, 2).load(entries)

    def test_refuses_wrong_values(self) -> None:
        with pytest.raises(TypeError, match="holds int"):
            Array(u8, 1)[0] = Flow()  # type: ignore[assignment]
        with pytest.raises(TypeError, match="holds Flow"):
            Array(Flow, 1)[0] = 1  # type: ignore[assignment]
        with pytest.raises(TypeError, match="u8 … i64"):
            Array(int, 1)
        with pytest.raises(ValueError, match="at least one"):
            Array(u8, 0)

    def test_tells_its_shape(self) -> None:
        array = Array(Flow, 5)
        assert (array.capacity, array.key_base) == (5, 0)
        assert [(name, width.bits) for name, width in array.fields] == [("packets", 64), ("ttl", 8)]
        assert [name for name, _ in Array(u32, 1).fields] == [""]


class TestCounter:
    def test_missing_keys_read_as_0(self) -> None:
        counter = Counter(u8)
        assert counter[7] == 0
        assert (len(counter), list(counter), 7 in counter) == (0, [], False)

    def test_counts_and_wraps(self) -> None:
        counter = Counter(u16)
        counter[65535] += 2
        counter[3] -= 1
        assert dict(counter) == {3: 2**64 - 1, 65535: 2}
        counter[3] += 1
        assert dict(counter) == {65535: 2}

    @pytest.mark.parametrize(("key", "first", "last"), [(u8, 0, 255), (i8, -128, 127), (bool, 0, 1), (u16, 0, 65535)])
    def test_keys_are_those_of_the_type(self, key: Any, first: int, last: int) -> None:
        counter = Counter(key)
        counter[first] += 1
        counter[last] += 2
        assert (counter.capacity, counter.key_base) == (last - first + 1, first)
        entries = counter.entries()
        assert len(entries) == counter.capacity
        assert {index: count for index, (count,) in enumerate(entries) if count} == {0: 1, len(entries) - 1: 2}
        for outside in (first - 1, last + 1):
            with pytest.raises(KeyError):
                counter[outside]
            with pytest.raises(KeyError):
                counter[outside] += 1

    def test_bool_keys_come_back_as_bools(self) -> None:
        counter = Counter(bool)
        counter[5 > 4] += 1
        assert list(counter) == [True]
        assert isinstance(next(iter(counter)), bool)

    def test_load_and_reset(self) -> None:
        counter, other = Counter(i8), Counter(i8)
        counter[-128] += 5
        other.load(counter.entries())
        assert dict(other) == {-128: 5}
        other.reset()
        assert dict(other) == {}

    @pytest.mark.parametrize("key", [u32, int, str])
    def test_refuses_other_key_types(self, key: Any) -> None:
        with pytest.raises(TypeError, match="key is u8"):
            Counter(key)


def test_maps_are_themselves() -> None:
    maps = {Array(u8, 1), Array(u8, 1), Counter(u8)}
    assert len(maps) == 3


class TestNetworkSet:
    def test_takes_every_form(self) -> None:
        networks = NetworkSet(["10.0.0.0/8", IPv4Network("192.0.2.0/24"), IPv4Address("198.51.100.1"), "2001:db8::/32"])
        inside = ["10.255.255.255", "192.0.2.0", "198.51.100.1", "2001:db8::1"]
        outside = ["11.0.0.0", "9.255.255.255", "192.0.3.0", "198.51.100.2", "2001:db9::", "::a00:1"]
        assert all(ip_address(text) in networks for text in inside)
        assert not any(ip_address(text) in networks for text in outside)

    def test_reads_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "blocklist.txt"
        path.write_text("# blocked\n\n  10.0.0.0/8  # ours\n2001:db8::1\n")
        with path.open() as file:
            networks = NetworkSet(file)
        assert networks.ranges4 == ((0x0A00_0000, 0x0AFF_FFFF),)
        assert networks.ranges6 == ((int(IPv6Address("2001:db8::1")),) * 2,)

    def test_bad_lines_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "blocklist.txt"
        path.write_text("10.0.0.0/8\n# fine\n10.0.0.1/8\n")
        with path.open() as file, pytest.raises(ValueError, match=r"blocklist\.txt:3: 10\.0\.0\.1/8 has host bits set"):
            NetworkSet(file)
        with pytest.raises(ValueError, match="network 2: 'nonsense'"):
            NetworkSet(io.StringIO("::/0\nnonsense\n"))

    def test_ranges_are_merged(self) -> None:
        networks = NetworkSet(["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25", "10.0.3.0/24"])
        assert networks.ranges4 == ((0x0A00_0000, 0x0A00_01FF), (0x0A00_0300, 0x0A00_03FF))
        assert networks.ranges6 == ()

    @given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8))), st.integers(0, 255))
    def test_contains_what_any_network_contains(self, prefixes: list[tuple[int, int]], last: int) -> None:
        chosen = [IPv4Network((value >> bits << bits, 32 - bits)) for value, bits in prefixes]
        address = IPv4Address(last)
        assert (address in NetworkSet(chosen)) == any(address in network for network in chosen)

    def test_empty_set_contains_nothing(self) -> None:
        assert IPv4Address(0) not in NetworkSet([])

    def test_takes_addresses_only(self) -> None:
        with pytest.raises(TypeError, match="addresses"):
            assert "10.0.0.1" in NetworkSet([])  # type: ignore[operator]
        with pytest.raises(TypeError, match="addresses"):
            assert ip_network("10.0.0.0/8") in NetworkSet([])  # type: ignore[operator]

    def test_ten_thousand_networks_are_quick(self) -> None:
        lines = [f"10.{i >> 8}.{i & 255}.0/24" for i in range(0, 20_000, 2)]
        start = time.process_time()
        networks = NetworkSet(lines)
        assert time.process_time() - start < 1
        assert len(networks.ranges4) == 10_000
