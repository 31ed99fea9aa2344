"""Conversations for the programs that remember: connections, queries, scans and what else hosts say, in order of time.

They run side by side, with repetitions, packets cut short or mistaken, tags, silences, and a clock that is at times
behind. Every address is stated: Scapy asks the network for one that is not. This file must not know: filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from random import Random

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from nmjit.runtime.program import Frame
from tests.programs.traffic import HERE, THERE, ether, ip, traffic

START = 1_700_000_000 * 10**9
"""Ns since 1970 at which the first packet came."""
MILLISECOND, SECOND = 10**6, 10**9
INSIDE = tuple(f"10.0.0.{host}" for host in range(1, 9))
OUTSIDE = (*(f"203.0.113.{host}" for host in range(1, 6)), *("192.0.2.10",) * 3, "198.51.100.7", "192.0.2.200")
INSIDE6 = tuple(f"2001:db8:a::{host}" for host in range(1, 4))
OUTSIDE6 = tuple(f"2001:db8:{host}::53" for host in range(1, 4))
Dialogue = Iterator[Packet]
"""Packets of one conversation, in order, each from its Ethernet header on."""


def _pair(rng: Random) -> tuple[str, str]:
    """Who speaks first, and with whom; most are inside."""
    version6 = rng.random() < 0.2
    ends = rng.choice(INSIDE6 if version6 else INSIDE), rng.choice(OUTSIDE6 if version6 else OUTSIDE)
    return ends if rng.random() < 0.7 else ends[::-1]


def _tcp(rng: Random) -> Dialogue:
    (a, b), port, service = _pair(rng), rng.randrange(40_000, 40_050), rng.choice((22, 80, 443))
    seq, ack = rng.getrandbits(32), rng.getrandbits(32)
    there, back = ether() / ip(a, b), ether() / ip(b, a)
    yield there / TCP(sport=port, dport=service, flags="S", seq=seq, options=[("MSS", 1460)])
    if rng.random() < 0.2:
        return
    yield back / TCP(sport=service, dport=port, flags="SA", seq=ack, ack=(seq + 1) % 2**32)
    yield there / TCP(sport=port, dport=service, flags="A", seq=(seq + 1) % 2**32, ack=(ack + 1) % 2**32)
    for _ in range(rng.randrange(6)):
        yield there / TCP(sport=port, dport=service, flags="PA") / Raw(rng.randbytes(rng.randrange(900)))
        yield back / TCP(sport=service, dport=port, flags="A") / Raw(rng.randbytes(rng.randrange(900)))
    match rng.randrange(4):
        case 0:
            yield back / TCP(sport=service, dport=port, flags="R")
        case 1:
            yield there / TCP(sport=port, dport=service, flags="FA")
            yield back / TCP(sport=service, dport=port, flags="FA")
            yield there / TCP(sport=port, dport=service, flags="A")
        case 2:
            yield back / TCP(sport=service, dport=port, flags="FA")


def _udp(rng: Random) -> Dialogue:
    (a, b), port = _pair(rng), rng.randrange(50_000, 50_030)
    sent = ether() / ip(a, b) / UDP(sport=port, dport=4000) / Raw(rng.randbytes(rng.randrange(200)))
    yield sent
    for _ in range(rng.randrange(3)):
        yield ether() / ip(b, a) / UDP(sport=4000, dport=port) / Raw(b"answer")
    if ":" not in a:
        quoted = Raw(bytes(sent[IP])[: rng.choice((20, 27, 28, 60))])
        yield ether() / ip("203.0.113.99", a) / ICMP(type=rng.choice((3, 5, 11, 12)), code=4) / quoted
        yield ether() / Dot1Q(vlan=7) / ip(b, a) / ICMP(type=3, code=3) / quoted


def _dns(rng: Random) -> Dialogue:
    (a, b), port, number = _pair(rng), rng.randrange(30_000, 30_020), rng.randrange(50)
    name = rng.choice(("example.org", ".".join("label" for _ in range(30)), "a", ""))
    question = DNSQR(qname=name, qtype=rng.choice(("A", "AAAA", "ALL")))
    answer = DNS(id=number, qr=1, qd=question, an=DNSRR(rrname=name, type="TXT", rdata="x" * rng.randrange(200)))
    yield ether() / ip(a, b) / UDP(sport=port, dport=53) / DNS(id=number, rd=1, qd=question)
    for _ in range(rng.randrange(3)):
        yield ether() / ip(b, a) / UDP(sport=53, dport=port) / answer
    yield ether() / ip(a, b) / UDP(sport=53, dport=53) / DNS(id=number, rd=1, qd=question)
    yield ether() / ip(b, a) / UDP(sport=53, dport=port) / Raw(rng.randbytes(rng.randrange(16)))
    yield ether() / ip(b, a) / UDP(sport=port, dport=53) / answer
    yield ether() / ip(a, b) / UDP(sport=53, dport=port) / DNS(id=number, rd=1, qd=question)


def _echo(rng: Random) -> Dialogue:
    (a, b), number = _pair(rng), rng.randrange(10)
    if ":" in a:
        yield ether() / ip(a, b) / ICMPv6EchoRequest(id=number)
        return
    for seq in range(rng.randrange(1, 4)):
        yield ether() / ip(a, b) / ICMP(type=8, id=number, seq=seq)
        yield ether() / ip(b, a) / ICMP(type=0, id=number, seq=seq)


def _scan(rng: Random) -> Dialogue:
    a, b = _pair(rng)
    for _ in range(rng.randrange(5, 30)):
        flags = rng.choice(("S", "S", "S", "F", "", "FPU", "A", "SA", "R"))
        yield ether() / ip(a, b) / TCP(sport=5, dport=rng.randrange(1000), flags=flags)


def _fragments(rng: Random) -> Dialogue:
    a, b = rng.choice(INSIDE), rng.choice(OUTSIDE)
    whole = IP(src=a, dst=b, id=rng.randrange(65536)) / UDP(sport=9, dport=4000) / Raw(bytes(1200))
    yield from (ether() / part for part in fragment(whole, fragsize=500))


def _others(rng: Random) -> Dialogue:
    yield ether() / ARP(hwsrc=HERE, hwdst=THERE, psrc="10.0.0.1", pdst="10.0.0.2")
    yield ether() / ip(rng.choice(INSIDE), rng.choice(INSIDE)) / UDP(sport=1, dport=2)
    yield ether() / ip(rng.choice(OUTSIDE), rng.choice(OUTSIDE)) / UDP(sport=1, dport=2)
    yield ether() / IP(src=rng.choice(INSIDE), dst=rng.choice(OUTSIDE), proto=47) / Raw(bytes(20))
    yield ether() / IP(src=rng.choice(OUTSIDE), dst=rng.choice(INSIDE), proto=50) / Raw(bytes(20))


KINDS: tuple[Callable[[Random], Dialogue], ...] = (
    *(_tcp, _tcp, _tcp, _udp, _udp, _dns, _dns, _echo, _scan, _fragments, _others),
)


def _disturbed(rng: Random, packet: Packet) -> bytes:
    """Now and then with tags, cut short or with a byte that is wrong."""
    choice = rng.random()
    if choice < 0.05:
        tag = Dot1Q(vlan=rng.randrange(1, 20)) if choice < 0.03 else Dot1AD(vlan=100) / Dot1Q(vlan=5)
        return bytes(Ether(src=HERE, dst=THERE) / tag / packet.payload)
    data = bytes(packet)
    if choice < 0.08:
        return data[: rng.randrange(len(data))]
    if choice < 0.11:
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(1) + data[at + 1 :]
    return data if choice < 0.9 else data + bytes(rng.randrange(1, 20))


def _moments(rng: Random) -> Iterator[int]:
    """When packets come: mostly close by, at times after a silence, at times stamped earlier than the one before."""
    time = START
    while True:
        choice = rng.random()
        time += rng.choice((1, 20, 50)) * MILLISECOND + rng.randrange(1000)
        if choice < 0.01:
            time += rng.choice((2, 4, 6, 20)) * SECOND
        yield time - (200 * MILLISECOND if choice > 0.95 else 0)


@cache
def sessions(count: int = 1_500, seed: int = 3) -> tuple[Frame, ...]:
    """`count` packets of conversations of all kinds, a dozen at a time."""
    rng = Random(seed)
    moments = _moments(rng)
    frames: list[Frame] = []
    active = [rng.choice(KINDS)(rng) for _ in range(12)]
    while len(frames) < count:
        place = rng.randrange(len(active))
        packet = next(active[place], None)
        if packet is None:
            active[place] = rng.choice(KINDS)(rng)
            continue
        data = _disturbed(rng, packet)
        for _ in range(1 + (rng.random() < 0.05)):
            frames.append(Frame(data, next(moments), len(data) + (100 if rng.random() < 0.1 else 0)))
    return tuple(frames[:count])


@cache
def everything() -> tuple[Frame, ...]:
    """`sessions`, then a fifth of the packets made for programs that remember nothing, 7 ms apart."""
    conversations = sessions()
    start = max(frame.timestamp for frame in conversations)
    others = traffic()[::5]
    return (*conversations, *(Frame(data, start + 7 * MILLISECOND * i, 0) for i, data in enumerate(others)))


def _paced(packets: Iterable[bytes]) -> tuple[Frame, ...]:
    """Packets a millisecond apart."""
    return tuple(Frame(data, START + MILLISECOND * number) for number, data in enumerate(packets))


@cache
def tags() -> tuple[Frame, ...]:
    """All that there is, and each VLAN with each kind of tag."""
    plain = ether() / ip() / UDP(sport=1, dport=2)
    vlans = (0, 1, 10, 20, 100, 4095)
    tagged: list[Packet] = [ether() / kind(vlan=v, prio=5, id=1) / plain.payload for v in vlans for kind in _TAGS]
    twice = [
        ether() / outer(vlan=v, prio=3) / inner(vlan=w) / plain.payload
        for v in vlans
        for w in vlans
        for outer in _TAGS
        for inner in _TAGS
    ]
    thrice = [ether() / Dot1AD(vlan=100) / Dot1AD(vlan=v) / Dot1Q(vlan=20) / plain.payload for v in vlans]
    whole = [bytes(packet) for packet in (*tagged, *twice, *thrice)]
    cut = [whole[0][:size] for size in range(24)] + [whole[-1][:size] for size in range(24)]
    return (*everything(), *_paced([*whole, *cut, bytes(whole[0]).ljust(65_532, b"x"), whole[7].ljust(65_532, b"x")]))


_TAGS = (Dot1Q, Dot1AD)


def _wrapped(rng: Random, inner: bytes) -> Packet:
    """A frame in a tunnel, or in what is nearly one."""
    outer = IP(src="203.0.113.1", dst="192.0.2.1", ttl=9, tos=4)
    content, number = inner[14:], 41 if inner[12:14] == b"\x86\xdd" else 4
    udp = UDP(sport=rng.randrange(65536), dport=6080, chksum=0)
    match rng.randrange(9):
        case 0 | 1:
            outer.proto = number
            packet = ether() / outer / Raw(content)
        case 2 | 3:
            packet = ether() / outer / udp / Raw(bytes([0, number, 0, 0]) + content)
        case 4:
            packet = ether() / outer / udp / Raw(content)
        case 5 | 6:
            udp.dport = 4789
            packet = ether() / outer / udp / VXLAN(flags=8, vni=rng.randrange(2**24)) / Raw(inner)
        case 7:
            udp.dport = 4789
            packet = ether() / outer / udp / VXLAN(flags=0, vni=7) / Raw(inner)
        case _:
            gue = bytes([rng.choice((0, 1, 32)), rng.choice((4, 41, 6)), 0, 1])
            packet = ether() / outer / udp / Raw(gue + content)
    return _odd(rng, packet)


def _odd(rng: Random, packet: Packet) -> Packet:
    """Now and then with what makes a tunnel one to drop, or none of this host's."""
    match rng.randrange(24):
        case 0:
            packet[IP].flags = "MF"
        case 1:
            packet[IP].frag = 3
        case 2:
            packet[IP].options = [IPOption_NOP()] * 4
        case 3:
            packet[IP].dst = "192.0.2.2"
        case 4:
            packet[IP].len = rng.randrange(90)
        case 5:
            packet = ether() / Dot1Q(vlan=1) / packet.payload
    return packet


@cache
def tunnels() -> tuple[Frame, ...]:
    """All that there is, and half of the sessions in tunnels."""
    rng = Random(17)
    return (*everything(), *_paced(_disturbed(rng, _wrapped(rng, frame.data)) for frame in sessions()[::2]))


def proofs(answer: Callable[[bytes, int], bytes | None]) -> tuple[Frame, ...]:
    """Clients that open connections and go on as `answer`, which is given packets and times (ns), lets them; and all
    that there is in between, so that the times are later than its own."""
    rng = Random(23)
    frames: list[Frame] = []
    now = START

    def send(packet: Packet, wait: int) -> Packet | None:
        nonlocal now
        now += wait
        frames.append(Frame(_disturbed(rng, packet), now))
        data = answer(frames[-1].data, now)
        return None if data is None else Ether(data)

    for number, frame in enumerate(everything()[::4]):
        now += MILLISECOND
        frames.append(Frame(frame.data, now))
        answer(frame.data, now)
        client, server = f"198.18.{number % 7}.{number % 11}", f"192.0.2.{number % 5}"
        there = ether() / ip(client, server)
        end = {"sport": 1000 + number % 3, "dport": 80}
        options = rng.choice(([], [("MSS", 1460), ("SAckOK", b"")]))
        syn = TCP(**end, flags="S", seq=rng.getrandbits(32), options=options) / Raw(b"x" * (number % 3))
        back = send(there / syn, 1)
        if back is not None and back.haslayer(TCP):
            off = rng.choice((1, 1, 1, 1, 0, 2, 1 << 31))
            ack = there / TCP(**end, flags="A", seq=back[TCP].ack, ack=(back[TCP].seq + off) % 2**32)
            send(ack, rng.choice((MILLISECOND, MILLISECOND, SECOND, 50 * SECOND, 69 * SECOND, 140 * SECOND)))
            send(there / TCP(**end, flags=rng.choice(("S", "R", "FA", "", "SA"))), SECOND)
    return tuple(frames)
