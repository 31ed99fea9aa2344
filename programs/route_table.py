"""Routes IPv4 by a table of prefixes: the longest that contains the destination names the next hop.

    nmjit load programs/route_table.py eth0 -D ROUTES=/etc/nmjit/routes.txt

Drops packets without a route, and those whose time to live is over; passes what is no IPv4. Sends the others back out
with the next hop's MAC address and one hop less to live, and counts packets by route. The file has a prefix and a MAC
address a line, of which the last for a prefix holds; `#` starts a comment. Routes can be set and deleted in `TABLE`
from outside while the filter runs.
Cost: at most 74 operations a packet; touches no byte beyond 42.
Source: RFC 1812, sections 5.2.4.3 (longest match) and 5.3.1 (time to live).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from nmjit import DROP, PASS, TX, LpmTrie, Mac, Packet, Verdict, filter, struct, u64

ROUTES = ""
OWN = "02:00:00:00:00:01"
CAPACITY = 1_048_576

OWN_MAC = Mac(OWN)


@struct
class Route:
    """A next hop, and what went there."""

    hop: Mac
    packets: u64 = 0


def routes(path: Path) -> Iterator[tuple[IPv4Network, Route]]:
    """Those of a file; ValueError names the line that is none."""
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            if words := line.partition("#")[0].split():
                try:
                    prefix, hop = words
                    yield IPv4Network(prefix), Route(Mac(hop))
                except ValueError as error:
                    raise ValueError(f"{path}:{number}: {error}") from None


TABLE = LpmTrie(key=IPv4Address, value=Route, capacity=CAPACITY)
TABLE.update(routes(Path(ROUTES) if ROUTES else Path(__file__).with_name("route_table.txt")))


@filter
def route_table(pkt: Packet) -> Verdict:
    eth, ip = pkt.eth, pkt.ipv4
    if eth is None or ip is None:
        return PASS
    route = TABLE.get(ip.dst)
    if route is None or ip.ttl <= 1:
        return DROP
    route.packets += 1
    ip.ttl -= 1
    eth.dst, eth.src = route.hop, OWN_MAC
    return TX
