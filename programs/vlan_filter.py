"""Admits frames of the listed VLANs, as a port of a bridge does.

    nmjit load programs/vlan_filter.py eth0 -D VLANS=10,20,100-199 -D PVID=0

Drops frames of any other VLAN, and frames cut short within the first tag. The outer tag alone decides, be it 802.1Q or
802.1ad. Frames without a tag or with a priority tag (VLAN 0) belong to the port's own VLAN, the PVID; 0 drops them.
Cost: at most 33 operations a packet; touches no byte beyond 22.
Source: IEEE 802.1Q-2022, sections 6.9.1 and 8.6.2.
"""

from nmjit import DROP, PASS, Packet, Verdict, filter

VLANS = "1,10,20,100-199"
PVID = 1

TAG_TYPES = {0x8100, 0x88A8}


def vlan_ids(text: str) -> frozenset[int]:
    """Ids of a list such as "10,20,100-199"; ValueError for one outside 1 … 4094, which 802.1Q gives no VLAN."""
    bounds = [item.partition("-") for item in text.split(",")]
    ids = frozenset(vid for low, _, high in bounds for vid in range(int(low), int(high or low) + 1))
    if outside := sorted(ids - set(range(1, 4095))):
        raise ValueError(f"VLAN {outside[0]} is outside 1 … 4094")
    return ids


ADMITTED = vlan_ids(VLANS)


@filter
def vlan_filter(pkt: Packet) -> Verdict:
    eth, tag = pkt.eth, pkt.vlan
    if eth is None:
        return DROP
    if tag is not None:
        vid = tag.vlan or PVID
    elif eth.type in TAG_TYPES:
        return DROP
    else:
        vid = PVID
    return PASS if vid in ADMITTED else DROP
