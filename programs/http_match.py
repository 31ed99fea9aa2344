"""Drops HTTP/1 requests for a host and the paths below a prefix; passes the rest.

    nmjit load programs/http_match.py eth0 -D HOST=ads.example -D PATH=/track

A request is seen where a TCP segment starts with its first line and holds the Host line too, written as all common
clients write it. Nothing is reassembled: a request that is split before the Host line's end, or that starts amid a
segment (pipelining), passes, as do TLS, HTTP/2 and the second fragment of an IP packet. To be a blocker of adversaries
it lacks TCP reassembly.
Cost: at most 3 operations a packet, headers within the first 3 bytes, and the payload.
"""

from nmjit import DROP, PASS, Packet, Verdict, filter

HOST = "blocked.example"
PATH = "/"

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
"""RFC 9110, section 9, and RFC 5789."""
REQUESTS = tuple(f"{method} {PATH}".encode() for method in METHODS)
HOST_LINE = f"\r\nHost: {HOST}\r\n".encode()


@filter
def http_match(pkt: Packet) -> Verdict:
    if pkt.tcp is None:
        return PASS
    if any(pkt.payload.startswith(request) for request in REQUESTS) and HOST_LINE in pkt.payload:
        return DROP
    return PASS
