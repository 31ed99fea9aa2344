"""NetworkSet against its definition."""

import io
import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmjit import NetworkSet


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
