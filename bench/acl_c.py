"""The access list as C code: acl_rules.h, two inline functions, one for each IP version.

A rule becomes one `if`, grouped by protocol where the list's order allows it (it always does: rules of different
protocols exclude each other, and a rule without one is repeated in every group). A packet is so compared with the rules
of its own version and protocol only, each address and port is loaded once, and every constant is an immediate.
bench/README.md has the measurement that this form won against the alternatives.

This file must not know what a compiler makes of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

from nmjit.bench.acl_rules import Action, Protocol, Rule

_CASES = {
    4: ((Protocol.TCP, "PROTO_TCP"), (Protocol.UDP, "PROTO_UDP"), (Protocol.ICMP, "PROTO_ICMP"), (None, None)),
    6: ((Protocol.TCP, "PROTO_TCP"), (Protocol.UDP, "PROTO_UDP"), (Protocol.ICMP, "PROTO_ICMP6"), (None, None)),
}
_HEAD = """/* Written by bench/acl_c.py from bench/acl_rules.py. */
#ifndef BENCH_ACL_RULES_H
#define BENCH_ACL_RULES_H

#include "parse.h"
"""


def acl_header(rules: Sequence[Rule]) -> str:
    """Text of acl_rules.h for `rules`, which are tried in their order."""
    return "\n".join([_HEAD, *_function(rules, 4), "", *_function(rules, 6), "", "#endif", ""])


def _function(rules: Sequence[Rule], version: int) -> Iterator[str]:
    """acl_ipv4(src, dst, proto, l4) or acl_ipv6(src, dst, proto, l4): the verdict; l4 is read where proto has ports."""
    kind = "uint32_t " if version == 4 else "const uint8_t *"
    yield f"static inline uint8_t acl_ipv{version}({kind}src, {kind}dst, uint32_t proto, const uint8_t *l4)"
    yield "{"
    yield "\tswitch (proto) {"
    for protocol, label in _CASES[version]:
        group = _without_last_allows([rule for rule in rules if _may_match(rule, version, protocol)])
        yield f"\tcase {label}: {{" if label else "\tdefault: {"
        if any(rule.ports for rule in group):
            yield "\t\tconst uint16_t dport = load16(l4 + 2);"
        for rule in group:
            yield f"\t\tif ({_condition(rule)})"
            yield f"\t\t\treturn {rule.action.value};"
        yield "\t\treturn PASS;"
        yield "\t}"
    yield "\t}"
    yield "}"


def _may_match(rule: Rule, version: int, protocol: Protocol | None) -> bool:
    return rule.applies_to(version) and rule.protocol in (None, protocol)


def _without_last_allows(rules: list[Rule]) -> list[Rule]:
    """The rules up to the last that denies: an allow behind it says what the default says."""
    while rules and rules[-1].action is Action.ALLOW:
        rules.pop()
    return rules


def _condition(rule: Rule) -> str:
    """The rule's tests, the cheapest and most selective first."""
    tests = []
    if rule.ports is not None:
        tests.append(_port_test(*rule.ports))
    if rule.src is not None:
        tests.append(_address_test("src", rule.src))
    if rule.dst is not None:
        tests.append(_address_test("dst", rule.dst))
    return " && ".join(tests) or "true"


def _port_test(low: int, high: int) -> str:
    if low == high:
        return f"dport == {low}"
    return f"(uint16_t)(dport - {low}) <= {high - low}"


def _address_test(name: str, network: IPv4Network | IPv6Network) -> str:
    base, length = int(network.network_address), network.prefixlen
    if length == 0:
        return "true"
    if network.version == 4:
        return f"{name} >> {32 - length} == {base >> (32 - length):#x}"
    if length <= 32:
        return f"load32({name}) >> {32 - length} == {base >> (128 - length):#x}"
    if length <= 64:
        return f"load64({name}) >> {64 - length} == {base >> (128 - length):#x}"
    low = (base & (1 << 64) - 1) >> (128 - length)
    return f"load64({name}) == {base >> 64:#x} && load64({name} + 8) >> {128 - length} == {low:#x}"
