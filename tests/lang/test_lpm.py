"""LpmTrie as a mapping of networks, against all networks tried one by one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nmjit import LpmTrie, Mac, MapFull, i8, struct, u8, u16, u32, u64


@struct
class Route:
    port: u16 = 0
    packets: u64 = 0


def networks(*texts: str) -> list[Any]:
    return [ip_network(text) for text in texts]


class TestAddresses:
    def test_an_address_finds_the_longest(self) -> None:
        trie = LpmTrie(IPv4Address, u32, 8)
        for number, network in enumerate(networks("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32"), 1):
            trie[network] = number
        found = [trie[IPv4Address(text)] for text in ("192.0.2.1", "10.2.0.0", "10.1.2.4", "10.1.2.3")]
        assert found == [1, 2, 3, 4]
        del trie[IPv4Network("0.0.0.0/0")]
        assert (trie.get(IPv4Address("192.0.2.1")), trie.get(IPv4Address("192.0.2.1"), 7)) == (None, 7)
        assert (IPv4Address("192.0.2.1") in trie, IPv4Address("10.0.0.0") in trie) == (False, True)

    def test_a_network_is_exact(self) -> None:
        trie = LpmTrie(IPv4Address, u32, 8)
        eight, sixteen = networks("10.0.0.0/8", "10.0.0.0/16")
        trie[eight] = 1
        assert (trie[eight], trie.get(sixteen), sixteen in trie, trie.setdefault(sixteen, 2)) == (1, None, False, 2)
        with pytest.raises(KeyError):
            del trie[IPv4Network("10.0.0.0/24")]
        assert (trie.pop(eight), len(trie)) == (1, 1)

    def test_a_store_under_an_address_goes_to_the_entry_found(self) -> None:
        trie = LpmTrie(IPv6Address, u32, 8)
        trie[IPv6Network("2001:db8::/32")] = 5
        trie[IPv6Address("2001:db8::1")] += 2**32 + 1
        assert dict(trie) == {IPv6Network("2001:db8::/32"): 6}
        with pytest.raises(KeyError):
            trie[IPv6Address("::1")] += 1
        with pytest.raises(KeyError):
            trie[IPv6Address("::1")] = 1

    def test_structs_are_references(self) -> None:
        trie = LpmTrie(key=IPv4Address, value=Route, capacity=2)
        trie[IPv4Network("10.0.0.0/8")] = Route(3)
        route = trie[IPv4Address("10.0.0.1")]
        route.packets += 1
        assert trie.entries() == [(10 << 24, 8, 3, 1)]
        del trie[IPv4Network("10.0.0.0/8")]
        trie[IPv4Network("11.0.0.0/8")] = Route(4)
        assert route == Route(3, 1)

    def test_takes_exactly_its_capacity(self) -> None:
        trie = LpmTrie(IPv4Address, u32, 2)
        one, two, three = networks("10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/10")
        trie[one] = trie[two] = 1
        with pytest.raises(MapFull, match=r"10\.0\.0\.0/10"):
            trie[three] = 1
        assert (trie.failed, trie.inserted, trie.deleted) == (1, 2, 0)
        trie.clear()
        trie[three] = 1
        assert (len(trie), trie.deleted) == (1, 2)

    def test_iterates_in_order_of_address_and_length(self) -> None:
        trie = LpmTrie(IPv4Address, u32, 8)
        inorder = networks("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.128.0.0/9", "192.0.2.0/24")
        for network in reversed(inorder):
            trie[network] = 1
        assert list(trie) == inorder

    @pytest.mark.parametrize("wrong", ["10.0.0.0", 7, IPv6Address(1), IPv6Network("::/0"), (0, 0), None])
    def test_refuses_other_keys(self, wrong: Any) -> None:
        trie = LpmTrie(IPv4Address, u32, 8)
        operations: list[Any] = [
            lambda: trie[wrong],
            lambda: trie.get(wrong),
            lambda: wrong in trie,
            lambda: trie.__setitem__(wrong, 1),
            lambda: trie.__delitem__(wrong),
            lambda: trie.setdefault(wrong, 1),
        ]
        for operation in operations:
            with pytest.raises(TypeError):
                operation()

    def test_addresses_come_and_go_only_in_networks(self) -> None:
        trie: Any = LpmTrie(IPv4Address, u32, 8)
        with pytest.raises(TypeError, match="networks are deleted"):
            del trie[IPv4Address(1)]
        with pytest.raises(TypeError, match="networks are inserted"):
            trie.setdefault(IPv4Address(1), 1)
        with pytest.raises(TypeError, match="holds int"):
            trie[IPv4Network("0.0.0.0/0")] = "1"


class TestOtherWidths:
    def test_integers_and_macs_take_pairs(self) -> None:
        labels, vendors = LpmTrie(u16, u32, 4), LpmTrie(Mac, u32, 4)
        labels[0x1200, 8] = 1
        labels[0, 0] = 2
        vendors[Mac("02:00:5e:00:00:00"), 24] = 3
        assert (labels[0x12FF], labels[0x1300], vendors.get(Mac("02:00:5e:ff:00:00")), vendors.get(Mac(0))) == (
            1, 2, 3, None,
        )  # fmt: skip
        assert (list(labels), list(vendors)) == ([(0, 0), (0x1200, 8)], [(Mac("02:00:5e:00:00:00"), 24)])
        assert (labels.width, vendors.width, LpmTrie(u64, u8, 1).width) == (16, 48, 64)

    @pytest.mark.parametrize("wrong", [(1, 8), (0, 17), (0, -1), (0x1201, 8)])
    def test_refuses_what_is_no_network(self, wrong: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="no network of 16-bit addresses"):
            LpmTrie(u16, u32, 4)[wrong] = 1

    def test_refuses_integers_beyond_the_width(self) -> None:
        trie = LpmTrie(u16, u32, 4)
        for key in (0x1_0000, -1, (0x1_0000, 0)):
            with pytest.raises(OverflowError):
                trie.get(key)
        with pytest.raises(TypeError, match="bits of the prefix"):
            trie[1, 2, 3]  # type: ignore[index]


def test_tells_its_shape() -> None:
    trie: Any = LpmTrie(IPv6Address, Route, 9)
    assert (trie.width, trie.capacity, trie.record, trie.key_spec.sizes) == (128, 9, Route, (16,))
    assert [field.name for field in trie.fields] == ["port", "packets"]
    assert repr(trie) == "LpmTrie(IPv6Address, Route, 9)"
    assert trie != LpmTrie(IPv6Address, Route, 9)


@pytest.mark.parametrize("key", [bool, i8, int, tuple[u8], Route, IPv4Network, str])
def test_refuses_other_key_types(key: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        LpmTrie(key, u8, 1)


def test_refuses_wrong_values_and_capacities() -> None:
    with pytest.raises(TypeError, match="holds u8"):
        LpmTrie(IPv4Address, int, 1)
    with pytest.raises(ValueError, match="at least one"):
        LpmTrie(IPv4Address, u8, 0)


def test_contents_move() -> None:
    trie, other = LpmTrie(IPv4Address, Route, 4), LpmTrie(IPv4Address, Route, 4)
    for number, network in enumerate(networks("10.0.0.0/8", "10.0.0.0/7", "0.0.0.0/0")):
        trie[network] = Route(number)
    other[IPv4Network("1.2.3.4/32")] = Route()
    other.load(trie.entries())
    assert other.entries() == trie.entries() == [(0, 0, 2, 0), (10 << 24, 7, 1, 0), (10 << 24, 8, 0, 0)]
    with pytest.raises(ValueError, match="2 fields"):
        other.load([(1, 2, 3)])
    other.reset()
    assert (len(other), other.inserted) == (0, 0)


class LpmMachine(RuleBasedStateMachine):
    """Against a dict of `ipaddress` networks, each asked whether it contains the address."""

    NETWORKS = st.builds(
        lambda address, length: ip_network((address >> 32 - length << 32 - length, length)),
        st.integers(0, 15).map(lambda high: high << 28 | high),
        st.sampled_from([0, 1, 2, 3, 4, 24, 31, 32]),
    )
    ADDRESSES = st.builds(lambda high, low: IPv4Address(high << 28 | low), st.integers(0, 15), st.integers(0, 15))

    def __init__(self) -> None:
        super().__init__()
        self.trie = LpmTrie(IPv4Address, Route, 8)
        self.model: dict[IPv4Network, Route] = {}

    @rule(network=NETWORKS, port=st.integers(0, 2**17))
    def store(self, network: IPv4Network, port: int) -> None:
        if network not in self.model and len(self.model) == 8:
            with pytest.raises(MapFull):
                self.trie[network] = Route(port)
            return
        self.trie[network] = Route(port)
        self.model[network] = Route(port)

    @rule(network=NETWORKS)
    def delete(self, network: IPv4Network) -> None:
        removed, expected = self.trie.pop(network, None), self.model.pop(network, None)
        assert removed == expected

    @rule(address=ADDRESSES)
    def look_up(self, address: IPv4Address) -> None:
        containing = [network for network in self.model if address in network]
        route = self.trie.get(address)
        assert (route is not None) == (address in self.trie) == bool(containing)
        if route is not None:
            route.packets += 1
            self.model[max(containing, key=lambda network: network.prefixlen)].packets += 1

    @invariant()
    def same(self) -> None:
        assert list(self.trie.items()) == sorted(self.model.items(), key=lambda pair: pair[0])
        assert len(self.trie) == len(self.model)


TestLpmMachine: Any = LpmMachine.TestCase
TestLpmMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
