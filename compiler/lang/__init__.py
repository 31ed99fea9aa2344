"""nmjit: packet filters in restricted Python. The names that a filter file imports; no logic."""

from nmjit._address import Mac
from nmjit._context import now, random
from nmjit._filter import Filter, filter
from nmjit._headers import (
    Arp,
    Eth,
    Gre,
    Icmp,
    Icmp6,
    Ipv4,
    Ipv6,
    Mpls,
    Tcp,
    Udp,
    Vlan,
    Vxlan,
    bits,
    header,
)
from nmjit._ints import i8, i16, i32, i64, u8, u16, u32, u64
from nmjit._maps import (
    Array,
    Bloom,
    Counter,
    Events,
    HashMap,
    Histogram,
    LpmTrie,
    LruHashMap,
    MapFull,
    NetworkSet,
    RateLimit,
)
from nmjit._mirror import mirror
from nmjit._packet import Packet
from nmjit._region import Region, TcpOption
from nmjit._struct import struct
from nmjit._verdict import ABORTED, DROP, PASS, REDIRECT, TX, Port, Verdict, redirect

__all__ = [
    "ABORTED",
    "DROP",
    "PASS",
    "REDIRECT",
    "TX",
    "Arp",
    "Array",
    "Bloom",
    "Counter",
    "Eth",
    "Events",
    "Filter",
    "Gre",
    "HashMap",
    "Histogram",
    "Icmp",
    "Icmp6",
    "Ipv4",
    "Ipv6",
    "LpmTrie",
    "LruHashMap",
    "Mac",
    "MapFull",
    "Mpls",
    "NetworkSet",
    "Packet",
    "Port",
    "RateLimit",
    "Region",
    "Tcp",
    "TcpOption",
    "Udp",
    "Verdict",
    "Vlan",
    "Vxlan",
    "bits",
    "filter",
    "header",
    "i8",
    "i16",
    "i32",
    "i64",
    "mirror",
    "now",
    "random",
    "redirect",
    "struct",
    "u8",
    "u16",
    "u32",
    "u64",
]
