"""Drops HTTP/1 requests to one host for the paths under a prefix, passes the rest.

    nmjit load programs/http_match.py eth0 -D HOST=ads.example -D PATH=/track

A request is seen where a TCP segment starts with its first line and holds the whole Host line, spelled as clients
spell it. Nothing is reassembled: a request that is split before the Host line's end passes, and so does one that does
not start its segment (pipelining), one in IP fragments after the first, TLS, HTTP/2 and a proxy's absolute URL.
It is no wall against those who mean to get through.
Cost: at most 4,506 operations a packet; touches no byte beyond 65,535.
"""

from nmjit import DROP, PASS, Packet, Verdict, filter

HOST = "blocked.example"
PATH = "/"

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
"""RFC 9110, section 9.3, and RFC 5789; CONNECT names no path."""
REQUESTS = tuple(f"{method} {PATH}".encode() for method in METHODS)
HOST_LINE = f"\r\nHost: {HOST}\r\n".encode()


@filter
def http_match(pkt: Packet) -> Verdict:
    if pkt.tcp is None:
        return PASS
    if any(pkt.payload.startswith(request) for request in REQUESTS) and HOST_LINE in pkt.payload:
        return DROP
    return PASS
