"""Names of ports that are taken, what they mean, and names that are refused."""

from __future__ import annotations

import pytest

from nmjit.runtime.portspec import PortKind, PortOption, PortSpec, PortSpecError, Rings, parse_port

NETMAP, VALE = PortKind.NETMAP, PortKind.VALE
ACCEPTED = {
    "netmap:eth0": PortSpec(NETMAP, "eth0"),
    "netmap:eth0-2": PortSpec(NETMAP, "eth0", Rings.ONE, 2),
    "netmap:eth0-4094": PortSpec(NETMAP, "eth0", Rings.ONE, 4094),
    "netmap:eth0-007": PortSpec(NETMAP, "eth0", Rings.ONE, 7),
    "netmap:eth0^": PortSpec(NETMAP, "eth0", Rings.HOST),
    "netmap:eth0^3": PortSpec(NETMAP, "eth0", Rings.HOST, 3),
    "netmap:eth0*": PortSpec(NETMAP, "eth0", Rings.ALL_AND_HOST),
    "netmap:eth0/x": PortSpec(NETMAP, "eth0", flags="x"),
    "netmap:eth0-1/xR/T@3": PortSpec(NETMAP, "eth0", Rings.ONE, 1, "xRT", 3),
    "netmap:eth0@3/zt@3": PortSpec(NETMAP, "eth0", flags="zt", region=3),
    "netmap:p{1": PortSpec(NETMAP, "p{1"),
    "netmap:p}in_a-0": PortSpec(NETMAP, "p}in_a", Rings.ONE, 0),
    "netmap:eth0&": PortSpec(NETMAP, "eth0&"),
    "netmap:" + "a" * 63: PortSpec(NETMAP, "a" * 63),
    "vale0:1": PortSpec(VALE, "vale0:1"),
    "vale:x": PortSpec(VALE, "vale:x"),
    "vale_b:p{3@2": PortSpec(VALE, "vale_b:p{3", region=2),
    "netmap:eth0@conf:rings=2,tx_slots=512": PortSpec(
        NETMAP, "eth0", options=(PortOption("conf", (("rings", "2"), ("tx-slots", "512"))),)
    ),
    "netmap:eth0-1/x@2@share=netmap:eth1": PortSpec(
        NETMAP, "eth0", Rings.ONE, 1, "x", 2, (PortOption("share", (("port", "netmap:eth1"),)),)
    ),
    "netmap:e@extmem=/mnt/huge@conf:slots=8": PortSpec(
        NETMAP, "e", options=(PortOption("extmem", (("file", "/mnt/huge"),)), PortOption("conf", (("slots", "8"),)))
    ),
    "netmap:e@extmem:buf-num=9,file=f": PortSpec(
        NETMAP, "e", options=(PortOption("extmem", (("buf-num", "9"), ("file", "f"))),)
    ),
    "xdp:br-lan": PortSpec(PortKind.XDP, "br-lan"),
    "kernel:eth0": PortSpec(PortKind.KERNEL, "eth0"),
    "packet:eth0.100": PortSpec(PortKind.PACKET, "eth0.100"),
    "pcap:C:/odd@name-1.pcap": PortSpec(PortKind.PCAP, "C:/odd@name-1.pcap"),
    "mem:a": PortSpec(PortKind.MEM, "a"),
    "mem:left-2.x": PortSpec(PortKind.MEM, "left-2.x"),
    "eth0": PortSpec(PortKind.AUTO, "eth0"),
    "br-lan": PortSpec(PortKind.AUTO, "br-lan"),
}
REFUSED = {
    "": "needs an interface",
    "netmap:": "needs a port",
    "netmap:-1": "needs a port",
    "netmap:@2": "needs a port",
    "vale0:": "needs a port",
    "netmapX:eth0": "begins with none of",
    "foo:eth0": "begins with none of",
    "netmap:" + "a" * 64: "at most 63",
    "netmap:eth0-": "is no ring, flag or region",
    "netmap:eth0-x": "is no ring, flag or region",
    "netmap:eth0-4095": "up to 4094",
    "netmap:eth0^4095": "up to 4094",
    "netmap:eth0-1-2": "is no ring, flag or region",
    "netmap:eth0*^": "is no ring, flag or region",
    "netmap:eth0/x-1": "is no ring, flag or region",
    "netmap:eth0-١": "is no ring, flag or region",
    "netmap:eth0/": "is no ring, flag or region",
    "netmap:eth0/q": "no flag 'q'",
    "netmap:eth0@0": "from 1 to 65535",
    "netmap:eth0@65536": "from 1 to 65535",
    "netmap:eth0@1@2": "regions 1 and 2",
    "netmap:eth0@1x": "is no ring, flag or region",
    "netmap:p{": "pipe's id",
    "netmap:{1": "pipe's id",
    "netmap:p{1}2": "pipe's id",
    "netmap:p}1{2": "pipe's id",
    "netmap:p{a b": "pipe's id",
    "netmap:eth0@": "no option ''",
    "netmap:eth0@frob=1": "no option 'frob=1'",
    "netmap:eth0@conf=2": "needs a key",
    "netmap:eth0@conf": "needs a key",
    "netmap:eth0@conf:rings": "is not key=value",
    "netmap:eth0@conf:rings=": "is not key=value",
    "netmap:eth0@conf:wheels=4": "no key 'wheels'",
    "netmap:eth0@conf:tx-slots=1,tx_slots=2": "key twice",
    "netmap:eth0@share": "needs a port",
    "netmap:eth0@extmem:buf-num=9": "needs a file",
    "netmap:eth0@extmem=": "needs a file",
    "netmap:eth0@offset=64": "not supported yet",
    "xdp:": "needs an interface",
    "xdp:a b": "needs an interface",
    "kernel:abcdefghijklmnop": "at most 15",
    "mem:": "needs a name",
    "mem:a b": "needs a name",
    "pcap:": "needs a file",
    "in/out.pcap": "needs an interface",
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    spec = parse_port(text)
    assert spec == ACCEPTED[text]
    assert parse_port(str(spec)) == spec


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(PortSpecError, match=REFUSED[text]) as caught:
        parse_port(text)
    assert caught.value.spec == text
