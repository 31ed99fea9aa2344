"""NetworkSet: constant sets of networks, of which a filter asks whether any contains an address.

This file must not know: packets, maps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias, final

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address
Range: TypeAlias = tuple[int, int]


@final
class NetworkSet:
    """A constant set of networks, IPv4 and IPv6 mixed: `address in set` where any of them contains the address.

    Takes networks, addresses, or text such as `192.0.2.0/24`; in text, `#` starts a comment and blank lines are left
    out, so an open file will do. `ranges4` and `ranges6` are what it covers: sorted, disjoint, not adjacent, inclusive.
    ValueError names the line, and the file where there is one, that is no network or has host bits set.
    """

    __slots__ = ("_starts4", "_starts6", "ranges4", "ranges6")

    def __init__(self, networks: Iterable[Network | Address | str]) -> None:
        found = list(_read_networks(networks))
        self.ranges4: Final = _merged(network for network in found if network.version == 4)
        self.ranges6: Final = _merged(network for network in found if network.version == 6)
        self._starts4: Final = [first for first, _ in self.ranges4]
        self._starts6: Final = [first for first, _ in self.ranges6]

    def __contains__(self, address: Address) -> bool:
        """Whether `address` lies in one of the networks. TypeError where it is no address object."""
        match address:
            case IPv4Address():
                starts, ranges = self._starts4, self.ranges4
            case IPv6Address():
                starts, ranges = self._starts6, self.ranges6
            case _:
                raise TypeError(f"a NetworkSet contains addresses, not {type(address).__name__}")
        index = bisect_right(starts, int(address)) - 1
        return index >= 0 and int(address) <= ranges[index][1]

    def __repr__(self) -> str:
        return f"<NetworkSet of {len(self.ranges4)} IPv4 and {len(self.ranges6)} IPv6 ranges>"


def _read_networks(networks: Iterable[Network | Address | str]) -> Iterator[Network]:
    name = getattr(networks, "name", None)
    for number, entry in enumerate(networks, 1):
        text = entry.partition("#")[0].strip() if isinstance(entry, str) else entry
        if text == "":
            continue
        try:
            yield ip_network(text)
        except ValueError as error:
            place = f"{name}:{number}" if isinstance(name, str) else f"network {number}"
            raise ValueError(f"{place}: {error}") from None


def _merged(networks: Iterable[Network]) -> tuple[Range, ...]:
    """The addresses of `networks` as ranges; those that overlap or touch become one."""
    merged: list[Range] = []
    for first, last in sorted((int(network[0]), int(network[-1])) for network in networks):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
