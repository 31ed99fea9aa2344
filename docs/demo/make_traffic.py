"""Writes a capture of mixed traffic such as an office's border sees, for `make demo` and for trying filters out.

    python docs/demo/make_traffic.py OUT.pcap [--packets N] [--seed N]

Web, name and time look-ups, mail, remote shells, calls, IPv6, VLANs, fragments, ARP, pings, a port scan,
a few packets cut short. Addresses are those that RFC 5737 and RFC 3849 keep for documentation, and private
ones. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.ntp import NTP
from scapy.packet import Packet, Raw
from scapy.utils import PcapWriter

ROUTER_MAC = "02:00:00:00:00:01"
SITES = ("example.com", "www.example.org", "static.example.net", "mail.example.com", "time.example.org")
START = 1_700_000_000.0
"""Time of the first packet, seconds since 1970."""

Scene = Callable[[random.Random], Iterator[Packet]]


def lan_host(rng: random.Random) -> tuple[str, str]:
    """A workstation: IPv4 address and MAC."""
    number = rng.randrange(2, 250)
    return f"192.168.{rng.randrange(4)}.{number}", f"02:00:00:00:01:{number:02x}"


def server(rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"


def filler(rng: random.Random, size: int) -> bytes:
    return rng.randbytes(size)


def tcp_session(rng: random.Random, port: int, request: bytes, answer_size: int) -> Iterator[Packet]:
    """Handshake, request, answer in full segments, close."""
    client, mac = lan_host(rng)
    host, sport = server(rng), rng.randrange(32768, 61000)
    seq, ack = rng.randrange(2**32), rng.randrange(2**32)
    out = Ether(src=mac, dst=ROUTER_MAC) / IP(src=client, dst=host, ttl=64, id=rng.randrange(65536))
    back = Ether(src=ROUTER_MAC, dst=mac) / IP(src=host, dst=client, ttl=52, id=rng.randrange(65536))
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (rng.randrange(2**32), 0)), ("NOP", None), ("WScale", 7)]
    yield out / TCP(sport=sport, dport=port, flags="S", seq=seq, options=options)
    yield back / TCP(sport=port, dport=sport, flags="SA", seq=ack, ack=seq + 1, options=options)
    seq, ack = (seq + 1) % 2**32, (ack + 1) % 2**32
    yield out / TCP(sport=sport, dport=port, flags="A", seq=seq, ack=ack)
    yield out / TCP(sport=sport, dport=port, flags="PA", seq=seq, ack=ack) / Raw(request)
    seq = (seq + len(request)) % 2**32
    while answer_size > 0:
        part = filler(rng, min(1448, answer_size))
        yield back / TCP(sport=port, dport=sport, flags="A", seq=ack, ack=seq) / Raw(part)
        ack = (ack + len(part)) % 2**32
        answer_size -= len(part)
        yield out / TCP(sport=sport, dport=port, flags="A", seq=seq, ack=ack)
    yield out / TCP(sport=sport, dport=port, flags="FA", seq=seq, ack=ack)
    yield back / TCP(sport=port, dport=sport, flags="FA", seq=ack, ack=(seq + 1) % 2**32)


def web(rng: random.Random) -> Iterator[Packet]:
    path = rng.choice(("/", "/index.html", "/api/v1/items?page=2", "/img/logo.png"))
    request = f"GET {path} HTTP/1.1\r\nHost: {rng.choice(SITES)}\r\nUser-Agent: demo/1.0\r\n\r\n".encode()
    return tcp_session(rng, rng.choice((80, 80, 8080)), request, rng.randrange(200, 6000))


def secure_web(rng: random.Random) -> Iterator[Packet]:
    hello = b"\x16\x03\x01" + filler(rng, rng.randrange(200, 517))
    return tcp_session(rng, 443, hello, rng.randrange(1000, 12000))


def shell(rng: random.Random) -> Iterator[Packet]:
    return tcp_session(rng, rng.choice((22, 22, 23)), b"SSH-2.0-demo\r\n", rng.randrange(50, 400))


def mail(rng: random.Random) -> Iterator[Packet]:
    return tcp_session(rng, rng.choice((25, 587, 993)), b"EHLO client.example.com\r\n", rng.randrange(100, 900))


def name_lookup(rng: random.Random) -> Iterator[Packet]:
    client, mac = lan_host(rng)
    name, port, number = rng.choice(SITES), rng.randrange(1024, 65535), rng.randrange(65536)
    question = DNSQR(qname=name)
    yield (
        Ether(src=mac, dst=ROUTER_MAC)
        / IP(src=client, dst="192.0.2.53")
        / UDP(sport=port, dport=53)
        / DNS(id=number, qd=question)
    )
    answer = DNS(id=number, qr=1, qd=question, an=DNSRR(rrname=name, rdata=server(rng), ttl=300))
    yield Ether(src=ROUTER_MAC, dst=mac) / IP(src="192.0.2.53", dst=client) / UDP(sport=53, dport=port) / answer


def clock(rng: random.Random) -> Iterator[Packet]:
    client, mac = lan_host(rng)
    yield Ether(src=mac, dst=ROUTER_MAC) / IP(src=client, dst=server(rng)) / UDP(sport=123, dport=123) / NTP(ref=0, sent=0)


def call(rng: random.Random) -> Iterator[Packet]:
    """A voice stream: small datagrams at a steady pace, VLAN-tagged as phones do it."""
    client, mac = lan_host(rng)
    host, port = server(rng), rng.randrange(16384, 32767)
    for number in range(rng.randrange(10, 40)):
        rtp = b"\x80\x00" + number.to_bytes(2, "big") + filler(rng, 168)
        tag = Dot1Q(vlan=30, prio=5)
        yield Ether(src=mac, dst=ROUTER_MAC) / tag / IP(src=client, dst=host, tos=0xB8) / UDP(sport=port, dport=port) / rtp


def ipv6(rng: random.Random) -> Iterator[Packet]:
    client, host = f"2001:db8:1::{rng.randrange(1, 9999):x}", f"2001:db8:2::{rng.randrange(1, 9999):x}"
    frame = Ether(src="02:00:00:00:06:01", dst=ROUTER_MAC) / IPv6(src=client, dst=host, hlim=64)
    sport = rng.randrange(32768, 61000)
    yield frame / ICMPv6ND_NS(tgt=host)
    yield frame / ICMPv6EchoRequest(id=sport & 0xFFFF, data=filler(rng, 56))
    yield frame / UDP(sport=sport, dport=443) / Raw(filler(rng, 1200))
    yield frame / TCP(sport=sport, dport=443, flags="S", seq=rng.randrange(2**32))
    yield frame / TCP(sport=sport, dport=22, flags="S", seq=rng.randrange(2**32))


def local_chatter(rng: random.Random) -> Iterator[Packet]:
    client, mac = lan_host(rng)
    yield Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac, psrc=client, pdst="192.168.0.1")
    yield Ether(src=ROUTER_MAC, dst=mac) / ARP(op=2, hwsrc=ROUTER_MAC, psrc="192.168.0.1", hwdst=mac, pdst=client)
    ping = IP(src=client, dst="192.168.0.1") / ICMP(id=rng.randrange(65536)) / Raw(filler(rng, 56))
    yield Ether(src=mac, dst=ROUTER_MAC) / ping


def big_datagram(rng: random.Random) -> Iterator[Packet]:
    """A datagram in three fragments: only the first has ports."""
    client, mac = lan_host(rng)
    whole = IP(src=client, dst=server(rng), id=rng.randrange(65536)) / UDP(sport=2049, dport=2049) / filler(rng, 4000)
    for part in fragment(whole, fragsize=1480):
        yield Ether(src=mac, dst=ROUTER_MAC) / part


def scan(rng: random.Random) -> Iterator[Packet]:
    """A stranger tries ports, one after the other."""
    stranger = f"198.51.100.{rng.randrange(200, 255)}"
    target = lan_host(rng)[0]
    for port in rng.sample((21, 22, 23, 25, 80, 110, 135, 139, 143, 443, 445, 1433, 3306, 3389, 5900, 8080), 12):
        syn = TCP(sport=rng.randrange(1024, 65535), dport=port, flags="S", seq=rng.randrange(2**32))
        yield Ether(src=ROUTER_MAC, dst="02:00:00:00:01:02") / IP(src=stranger, dst=target, ttl=44) / syn


def cut_short(rng: random.Random) -> Iterator[Packet]:
    """What a bad cable leaves of a packet."""
    client, mac = lan_host(rng)
    whole = bytes(Ether(src=mac, dst=ROUTER_MAC) / IP(src=client, dst=server(rng)) / TCP(dport=443))
    yield Raw(whole[: rng.randrange(10, len(whole) - 1)])


SCENES: tuple[tuple[Scene, int], ...] = (
    (web, 12),
    (secure_web, 30),
    (shell, 4),
    (mail, 5),
    (name_lookup, 40),
    (clock, 4),
    (call, 4),
    (ipv6, 14),
    (local_chatter, 10),
    (big_datagram, 3),
    (scan, 4),
    (cut_short, 2),
)
"""What happens, and how often relative to the rest."""


def traffic(count: int, rng: random.Random) -> Iterator[bytes]:
    """`count` frames: scenes drawn by weight, a handful of them under way at a time."""
    scenes, weights = zip(*SCENES, strict=True)
    running = [rng.choices(scenes, weights)[0](rng) for _ in range(16)]
    while count:
        place = rng.randrange(len(running))
        packet = next(running[place], None)
        if packet is None:
            running[place] = rng.choices(scenes, weights)[0](rng)
            continue
        yield bytes(packet)
        count -= 1


def write_capture(path: Path, count: int, seed: int) -> int:
    """Write the capture (µs timestamps, Ethernet) and return its size in bytes."""
    rng = random.Random(seed)
    now = START
    partial = path.with_suffix(".partial")
    with PcapWriter(str(partial), linktype=1, sync=False) as writer:
        writer.write_header(None)
        for frame in traffic(count, rng):
            now += rng.expovariate(50_000)
            writer.write_packet(frame, sec=int(now), usec=int(now % 1 * 1e6))
    partial.replace(path)  # an interrupted run leaves no half capture for `make demo` to find
    return path.stat().st_size


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a capture of mixed traffic.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.path.parent.mkdir(parents=True, exist_ok=True)
    size = write_capture(options.path, options.packets, options.seed)
    print(f"{options.path}: {options.packets:,} packets, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
