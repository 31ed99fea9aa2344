"""Names of ports: "netmap:eth0-2", "vale0:1", "xdp:eth0", "pcap:in.pcap", "mem:a", "eth0" to `PortSpec`, and back.

netmap's own names follow libnetmap's grammar:

    spec    = ("netmap:" name | "vale" [switch] ":" name) [rings] { "/" letters | "@" id } { option }
    name    = 1 to 63 characters up to the first of - * ^ / @; behind { or } a pipe's id of letters, digits and _
    rings   = "-" N | "^" [N] | "*"             N from 0 to 4094
    option  = "@" word [ "=" value ] | "@" word ":" key "=" value { "," key "=" value }

An `@` that a digit does not follow begins the options. The other kinds take everything behind their colon as it is.
This file must not know: which ports exist, or what this machine can open. Source: nmport_parse of libnetmap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_NAME: Final = 63
"""Characters of a port's name, as the netmap API has room for them."""
MAX_INTERFACE: Final = 15
"""Characters of a Linux interface's name."""
MAX_RING: Final = 4094
MAX_REGION: Final = 65535
FLAGS: Final = {
    "x": "exclusive",
    "z": "zero-copy monitor",
    "t": "monitor what is sent",
    "r": "monitor what is received",
    "R": "receive rings only",
    "T": "transmit rings only",
}


class PortSpecError(ValueError):
    """A port's name is not well formed; `spec` is the name, `reason` what is wrong with it."""

    def __init__(self, spec: str, reason: str) -> None:
        super().__init__(f"port {spec!r}: {reason}")
        self.spec = spec
        self.reason = reason


class PortKind(Enum):
    """How packets get in and out; the value is the prefix, without its colon."""

    AUTO = ""
    """A bare interface: the first that works of netmap and xdp."""
    NETMAP = "netmap"
    VALE = "vale"
    XDP = "xdp"
    KERNEL = "kernel"
    PACKET = "packet"
    PCAP = "pcap"
    MEM = "mem"


class Rings(Enum):
    """Which rings of a netmap port are meant; the value is the sign."""

    ALL = ""
    ONE = "-"
    HOST = "^"
    ALL_AND_HOST = "*"


@dataclass(frozen=True, slots=True)
class PortOption:
    """One `@name:key=value,…` of a netmap port, keys spelt with `-` and in the order given."""

    name: str
    values: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"@{self.name}:" + ",".join(f"{key}={value}" for key, value in self.values)


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A parsed name. `name` is the interface, the file, or the memory port; for VALE it begins with the switch.

    The rest is for netmap and VALE ports: `rings` with `ring` where one is meant, `flags` as letters of FLAGS, each
    once; `region` the memory region's id, or None for the kernel's choice.
    """

    kind: PortKind
    name: str
    rings: Rings = Rings.ALL
    ring: int | None = None
    flags: str = ""
    region: int | None = None
    options: tuple[PortOption, ...] = ()

    def __str__(self) -> str:
        prefix = f"{self.kind.value}:" if self.kind not in (PortKind.AUTO, PortKind.VALE) else ""
        ring = "" if self.ring is None else str(self.ring)
        flags = f"/{self.flags}" if self.flags else ""
        region = "" if self.region is None else f"@{self.region}"
        return f"{prefix}{self.name}{self.rings.value}{ring}{flags}{region}" + "".join(map(str, self.options))


@dataclass(frozen=True, slots=True)
class _OptionRule:
    """Keys that an option takes; `default` is the one that `@option=value` sets, and then mandatory."""

    keys: frozenset[str]
    default: str | None = None
    unavailable: str = ""


_OPTIONS: Final = {
    "share": _OptionRule(frozenset({"port"}), "port"),
    "conf": _OptionRule(
        frozenset(
            "rings tx-rings rx-rings host-rings host-tx-rings host-rx-rings slots tx-slots rx-slots".split()  # noqa: SIM905
        )
    ),
    "extmem": _OptionRule(
        frozenset({"file", "if-num", "if-size", "ring-num", "ring-size", "buf-num", "buf-size"}), "file"
    ),
    "offset": _OptionRule(frozenset({"initial", "bits"}), "initial", unavailable="offsets are not supported yet"),
}

_NAME_END = re.compile(r"[-*^/@]")
_OPTIONS_START = re.compile(r"@(?![0-9])")
_PIPE = re.compile(r"[^{}]+[{}]\w+", re.ASCII)
_RING = re.compile(r"(?:-(?P<one>\d+)|(?P<host>\^)(?P<host_ring>\d*)|(?P<both>\*))?", re.ASCII)
_SUFFIX = re.compile(r"/(?P<flags>[A-Za-z]+)|@(?P<region>\d+)", re.ASCII)
_VALE = re.compile(r"vale\w*:", re.ASCII)
_MEMORY = re.compile(r"[\w.-]+", re.ASCII)
_INTERFACE = re.compile(r"[^\s/:]+")


def parse_port(text: str) -> PortSpec:
    """The port that `text` names. PortSpecError where it names none."""
    if _VALE.match(text):
        return _netmap(text, PortKind.VALE, text, text.index(":") + 1)
    prefix, colon, rest = text.partition(":")
    if not colon:
        return PortSpec(PortKind.AUTO, _whole(text, text, _INTERFACE, "an interface"))
    match prefix:
        case "netmap":
            return _netmap(text, PortKind.NETMAP, rest, 0)
        case "xdp" | "kernel" | "packet":
            return PortSpec(PortKind(prefix), _whole(text, rest, _INTERFACE, "an interface"))
        case "mem":
            return PortSpec(PortKind.MEM, _whole(text, rest, _MEMORY, "a name of letters, digits, _ . and -"))
        case "pcap" if rest:
            return PortSpec(PortKind.PCAP, rest)
        case "pcap":
            raise PortSpecError(text, "needs a file behind the colon")
        case _:
            known = ", ".join(f"{kind.value}:" for kind in PortKind if kind.value)
            raise PortSpecError(text, f"begins with none of {known}")


def _whole(text: str, name: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(name):
        raise PortSpecError(text, f"needs {what}{' behind the colon' if ':' in text else ''}")
    if pattern is _INTERFACE and len(name) > MAX_INTERFACE:
        raise PortSpecError(text, f"an interface's name has at most {MAX_INTERFACE} characters")
    return name


def _netmap(text: str, kind: PortKind, body: str, name_start: int) -> PortSpec:
    """`body` is the text without "netmap:"; the port's own name begins at `name_start` in it."""
    cut = _OPTIONS_START.search(body, name_start)
    body, options = (body[: cut.start()], body[cut.start() :]) if cut else (body, "")
    end = _NAME_END.search(body, name_start)
    name = body[: end.start()] if end else body
    _check_name(text, name, name[name_start:])
    rings, ring, at = _parse_rings(text, body, len(name))
    flags, region = _parse_suffixes(text, body, at)
    return PortSpec(kind, name, rings, ring, flags, region, _parse_options(text, options))


def _check_name(text: str, name: str, own: str) -> None:
    if not own:
        raise PortSpecError(text, "needs a port behind the colon")
    if len(name) > MAX_NAME:
        raise PortSpecError(text, f"a port's name has at most {MAX_NAME} characters")
    if ("{" in own or "}" in own) and not _PIPE.fullmatch(own):
        raise PortSpecError(text, "a pipe's id has letters, digits and _, and at least one of them")


def _parse_rings(text: str, body: str, at: int) -> tuple[Rings, int | None, int]:
    """Which rings, and where in `body` their text ends."""
    match = _RING.match(body, at)
    assert match is not None  # the pattern matches nothing at all, too
    digits = match["one"] or match["host_ring"] or ""
    ring = int(digits) if digits else None
    if ring is not None and ring > MAX_RING:
        raise PortSpecError(text, f"rings have numbers up to {MAX_RING}, not {ring}")
    if match["one"] is not None:
        return Rings.ONE, ring, match.end()
    if match["host"]:
        return Rings.HOST, ring, match.end()
    return (Rings.ALL_AND_HOST if match["both"] else Rings.ALL), None, match.end()


def _parse_suffixes(text: str, body: str, at: int) -> tuple[str, int | None]:
    letters, region = "", None
    while at < len(body):
        match = _SUFFIX.match(body, at)
        if match is None:
            raise PortSpecError(text, f"{body[at:]!r} is no ring, flag or region")
        if match["flags"]:
            letters += match["flags"]
        else:
            region = _region(text, int(match["region"]), region)
        at = match.end()
    if unknown := sorted(set(letters) - set(FLAGS)):
        raise PortSpecError(text, f"there is no flag {unknown[0]!r}; flags are {' '.join(FLAGS)}")
    return "".join(dict.fromkeys(letters)), region


def _region(text: str, number: int, before: int | None) -> int:
    if not 0 < number <= MAX_REGION:
        raise PortSpecError(text, f"memory regions have numbers from 1 to {MAX_REGION}")
    if before not in (None, number):
        raise PortSpecError(text, f"cannot be in memory regions {before} and {number}")
    return number


def _parse_options(text: str, options: str) -> tuple[PortOption, ...]:
    return tuple(_parse_option(text, option) for option in options.split("@")[1:])


def _parse_option(text: str, option: str) -> PortOption:
    match = re.fullmatch(r"(?P<name>[\w-]+)(?:=(?P<value>.*)|:(?P<values>.*))?", option, re.ASCII | re.DOTALL)
    rule = _OPTIONS.get(match["name"]) if match else None
    if match is None or rule is None:
        raise PortSpecError(text, f"there is no option {option!r}; options are {', '.join(_OPTIONS)}")
    name = match["name"]
    if rule.unavailable:
        raise PortSpecError(text, f"option {name}: {rule.unavailable}")
    if match["values"] is None:
        if rule.default is None:
            raise PortSpecError(text, f"option {name} needs a key: @{name}:key=value")
        pairs = [(rule.default, match["value"] or "")]
    else:
        pairs = [_parse_pair(text, name, pair) for pair in match["values"].split(",")]
    _check_values(text, name, rule, pairs)
    return PortOption(name, tuple(pairs))


def _parse_pair(text: str, option: str, pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not equals or not value:
        raise PortSpecError(text, f"option {option}: {pair!r} is not key=value")
    return key.replace("_", "-"), value


def _check_values(text: str, option: str, rule: _OptionRule, pairs: list[tuple[str, str]]) -> None:
    keys = [key for key, _ in pairs]
    if unknown := sorted(set(keys) - rule.keys):
        raise PortSpecError(text, f"option {option} has no key {unknown[0]!r}")
    if len(set(keys)) != len(keys):
        raise PortSpecError(text, f"option {option} has a key twice")
    if rule.default is not None and not dict(pairs).get(rule.default):
        raise PortSpecError(text, f"option {option} needs a {rule.default}")
