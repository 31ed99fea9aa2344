"""Finds the sources that send most, and tells of those that send too much: heavy hitters.

    nmjit load programs/top_talkers.py eth0 -D WINDOW=10 -D OCTETS=125000000

Drops nothing. `TALKERS4` and `TALKERS6` count by source, for WINDOW seconds from its first packet, then anew; sort them
from outside for a ranking. A source that passes OCTETS bytes within its window is told to `ALERTS4` or `ALERTS6`, once
a window. In a full map one that was not heard lately gives way; who sends much is heard often, and stays. `SIZES` shows
how long packets are.
Cost: at most 95 operations a packet; touches no byte beyond 46.
"""

from ipaddress import IPv4Address, IPv6Address

from nmjit import PASS, Events, Histogram, LruHashMap, Packet, Verdict, filter, i64, now, struct, u64

WINDOW = 10
OCTETS = 125_000_000
CAPACITY = 65_536

WINDOW_NS = WINDOW * 1_000_000_000


@struct
class Talker:
    """What a source sent since `since` (ns), and whether that was told."""

    since: u64
    octets: u64 = 0
    packets: u64 = 0
    told: bool = False


@struct
class Alert4:
    """A source over its share."""

    source: IPv4Address
    since: u64
    octets: u64
    packets: u64


@struct
class Alert6:
    """As Alert4, of IPv6."""

    source: IPv6Address
    since: u64
    octets: u64
    packets: u64


TALKERS4 = LruHashMap(key=IPv4Address, value=Talker, capacity=CAPACITY)
TALKERS6 = LruHashMap(key=IPv6Address, value=Talker, capacity=CAPACITY)
ALERTS4 = Events(Alert4, capacity=1_024)
ALERTS6 = Events(Alert6, capacity=1_024)
SIZES = Histogram()


def exceeds(talker: Talker, octets: int) -> bool:
    """Counts a packet; whether it is the one to tell of."""
    if i64(now() - talker.since) >= WINDOW_NS:
        talker.since, talker.octets, talker.packets, talker.told = now(), 0, 0, False
    talker.octets += octets
    talker.packets += 1
    if talker.told or talker.octets <= OCTETS:
        return False
    talker.told = True
    return True


@filter
def top_talkers(pkt: Packet) -> Verdict:
    SIZES.add(pkt.wire_len)
    if ip := pkt.ipv4:
        talker = TALKERS4.setdefault(ip.src, Talker(now()))
        if exceeds(talker, pkt.wire_len):
            ALERTS4.emit(Alert4(ip.src, talker.since, talker.octets, talker.packets))
    elif ip6 := pkt.ipv6:
        other = TALKERS6.setdefault(ip6.src, Talker(now()))
        if exceeds(other, pkt.wire_len):
            ALERTS6.emit(Alert6(ip6.src, other.since, other.octets, other.packets))
    return PASS
