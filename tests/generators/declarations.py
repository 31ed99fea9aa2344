"""What generated modules declare besides constants: structs, maps of every kind with first contents, headers.

Each function writes text and notes in `module` what it declared. This file must not know: functions of the module.
"""

from __future__ import annotations

import random
from typing import Final

from nmjit._hash import group_of, key_hash, pack_key
from nmjit._headers import FieldKind, FieldSpec, HeaderSpec
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import table_layout
from tests.generators.expressions import WIDTHS
from tests.generators.maps import RATES
from tests.generators.names import RATE, Declarations, KeyName, MapName, StructName, TableName
from tests.generators.packets import ADDRESSES4, ADDRESSES6, MACS

_ADDRESSES: Final = ("IPv4Address", "IPv4Address", "IPv6Address", "Mac")
_DEFAULTS: Final = {
    "bool": ("True", "False"),
    "IPv4Address": ('IPv4Address("10.0.0.2")',),
    "IPv6Address": ('IPv6Address("fe80::1")',),
    "Mac": ('Mac("02:00:00:00:00:02")',),
}
_VALUES: Final = ("n", "5", "n * 3")
_NUMBERS: Final = ("0", "1", "77")
_HEADER_FIELDS: Final = (
    (("{}: u8", FieldKind.INT, 8),),
    (("{}: u16", FieldKind.INT, 16),),
    (("{}: u32", FieldKind.INT, 32),),
    (("{}: u64", FieldKind.INT, 64),),
    (("{}: int = bits(24)", FieldKind.INT, 24),),
    (("{}: int = bits(3)", FieldKind.INT, 3), ("{}: int = bits(13)", FieldKind.INT, 13)),
    (("{}: int = bits(1)", FieldKind.INT, 1), ("{}: int = bits(55)", FieldKind.INT, 55)),
    (("{}: IPv4Address", FieldKind.IPV4, 32),),
    (("{}: IPv6Address", FieldKind.IPV6, 128),),
    (("{}: Mac", FieldKind.MAC, 48),),
)  # fmt: skip


def maps(rng: random.Random, module: Declarations, *, stateful: bool) -> str:
    """Structs and maps; a `stateful` module has some whose entries come and go."""
    lines = _integers(rng, module)
    for number in range(rng.choice((1, 2))):
        lines += _struct(rng, module, f"Flow{number}", rng.choice((1, 2, 4)))
    for number in range(rng.choice((0, 0, 1, 2))):
        struct = rng.choice([*module.structs, RATE])
        lines += _array(rng, module, f"ENTRIES{number}", struct)
    if stateful:
        keys = [_key(rng, module, lines, number) for number in range(2)]
        for number in range(rng.choice((1, 2, 3))):
            lines += _table(rng, module, f"TABLE{number}", rng.choice(keys))
        if rng.random() < 0.4:
            lines += _routes(rng, module)
        lines += _others(rng, module, keys)
    return "\n".join(lines)


def _integers(rng: random.Random, module: Declarations) -> list[str]:
    """Maps of bare integers whose entries are always there."""
    lines = []
    for number in range(rng.choice((0, 1, 2))):
        width, capacity = rng.choice(WIDTHS), rng.choice((1, 4, 7, 256))
        lines.append(f"ARRAY{number} = Array({width}, {capacity})")
        module.maps.append(MapName(f"ARRAY{number}", 0, capacity))
    for name, key, first, count in (("BYTES", "u8", 0, 256), ("SIGNED", "i8", -128, 256), ("FLAGS", "bool", 0, 2)):
        if rng.random() < 0.4:
            lines.append(f"{name} = Counter({key})")
            module.maps.append(MapName(name, first, count))
    if rng.random() < 0.02:
        lines.append("WORDS = Counter(i16)")
        module.maps.append(MapName("WORDS", -32768, 65536))
    return lines


def _struct(rng: random.Random, module: Declarations, name: str, size: int, *, key: bool = False) -> list[str]:
    fields = []
    for number in range(size):
        types = WIDTHS if number == 0 and not key else (*WIDTHS, *WIDTHS, "bool", *_ADDRESSES)
        fields.append((f"f{number}", rng.choice(types)))
    module.structs.append(StructName(name, tuple(fields)))
    texts = (f"{field}: {declared} = {rng.choice(_DEFAULTS.get(declared, _NUMBERS))}" for field, declared in fields)
    return ["@struct", f"class {name}:", *(f"    {text}" for text in texts), ""]


def _array(rng: random.Random, module: Declarations, name: str, struct: StructName) -> list[str]:
    capacity = rng.choice((1, 5, 8))
    module.arrays[name] = struct, capacity
    first = [f"{name}[0] = RateLimit({rng.choice(RATES)})"] if struct == RATE else []
    return [f"{name} = Array({struct.name}, {capacity})", *first]


def _key(rng: random.Random, module: Declarations, lines: list[str], number: int) -> KeyName:
    """A type of key; a struct's declaration goes to `lines`."""
    simple = (*WIDTHS, "u8", "u16", "u16", "bool", *_ADDRESSES)
    match rng.choice(("one", "one", "tuple", "tuple", "struct")):
        case "one":
            return KeyName((rng.choice(simple),))
        case "tuple":
            return KeyName(tuple(rng.choice(simple) for _ in range(rng.choice((1, 2, 2, 3)))), is_tuple=True)
        case _:
            lines += _struct(rng, module, f"Key{number}", rng.choice((1, 2, 3)), key=True)
            struct = module.structs[-1]
            return KeyName(tuple(declared for _, declared in struct.fields), struct=struct)


def _table(rng: random.Random, module: Declarations, name: str, key: KeyName) -> list[str]:
    kind = rng.choice(("HashMap", "LruHashMap", "LruHashMap"))
    values = (rng.choice(module.structs), rng.choice(module.structs), RATE, rng.choice(WIDTHS))
    value = rng.choices(values, (4, 2, 1, 3))[0]
    capacity = rng.choice((1, 2, 3, 8, 20, 64, 64) if kind == "HashMap" else (1, 1, 16, 16, 17, 40, 100))
    module.tables.append(TableName(name, kind, key, value))
    declared = value if isinstance(value, str) else value.name
    first = []
    if kind == "HashMap" and rng.random() < 0.5 and any(part[1:] in ("16", "32", "64") for part in key.parts):
        capacity = 64
        made = rng.choice(_VALUES) if isinstance(value, str) else f"{declared}({'n + 1' if value == RATE else ''})"
        first = [f"for n in {_crowd(key, capacity)}:", f"    {name}[{_numbered(key)}] = {made}"]
    return [f"{name} = {kind}(key={key.text()}, value={declared}, capacity={capacity})", *first]


_SIZES: Final = {"bool": 1, "IPv4Address": 4, "IPv6Address": 16, "Mac": 6}


def _crowd(key: KeyName, capacity: int) -> tuple[int, ...]:
    """Numbers of keys: so many of one group that key 1, which comes last, finds no room in it."""
    sizes = [_SIZES.get(part) or int(part[1:]) // 8 for part in key.parts]
    decl = MapDecl("", MapKind.HASH, Layout.of((("", Scalar(8)),)), capacity, key=tuple(sizes))

    def group(number: int) -> int:
        small = {"bool": number % 2}
        parts = [small.get(part, number % 100 if part[1:] == "8" else number) for part in key.parts]
        return group_of(key_hash(pack_key(parts, sizes)), table_layout(decl).groups)

    crowd = [number for number in range(100, 2000) if group(number) == group(1)]
    return (*crowd[:18], 0, 2, 3, 1)


def _numbered(key: KeyName) -> str:
    """A key that differs for each n."""
    forms = {"bool": "n % 2 == 1", "IPv4Address": "IPv4Address(n)", "IPv6Address": "IPv6Address(n)", "Mac": "Mac(n)"}
    parts = [forms.get(part, "n % 100" if part[1:] == "8" else "n") for part in key.parts]
    if key.struct is not None:
        return f"{key.struct.name}({', '.join(parts)})"
    return f"({', '.join(parts)},)" if key.is_tuple else parts[0]


def _routes(rng: random.Random, module: Declarations) -> list[str]:
    """An LpmTrie with networks around the addresses that packets have."""
    declared = rng.choice(("IPv4Address", "IPv4Address", "IPv6Address", "Mac", "u8", "u16", "u32", "u64"))
    struct = rng.choice([struct for struct in module.structs if struct.name.startswith("Flow")])
    value: StructName | str = rng.choice((struct, rng.choice(WIDTHS), rng.choice(WIDTHS)))
    module.tables.append(TableName("ROUTES", "LpmTrie", KeyName((declared,)), value))
    name = value if isinstance(value, str) else value.name
    lines = [f"ROUTES = LpmTrie(key={declared}, value={name}, capacity={rng.choice((40, 60))})"]
    for _ in range(rng.choice((0, 1, 4, 12, 30))):
        stored = str(rng.choice((0, 1, 3, 7, 255))) if isinstance(value, str) else f"{name}({rng.choice((0, 1, 200))})"
        lines.append(f"ROUTES[{network(rng, declared)}] = {stored}")
    return lines


WIDTH_OF: Final = {"IPv4Address": 32, "IPv6Address": 128, "Mac": 48, "u8": 8, "u16": 16, "u32": 32, "u64": 64}


def network(rng: random.Random, declared: str) -> str:
    """A network of addresses of that type, as text; seldom so short that it fills a table's root."""
    width = WIDTH_OF[declared]
    pool = {"IPv4Address": ADDRESSES4, "IPv6Address": ADDRESSES6, "Mac": MACS}.get(declared, (0, 1, 3, 80, 443))
    address = int(rng.choice(pool)) % (1 << width) ^ (rng.getrandbits(8) if rng.random() < 0.3 else 0)
    lowest = 8 if width > 8 else 0
    length = rng.randint(lowest, width) if rng.random() < 0.4 else width - rng.choice((0, 1, 2, 5))
    first = address >> (width - length) << (width - length)
    if declared in ("IPv4Address", "IPv6Address"):
        return f"ip_network(({first}, {length}))" if declared == "IPv4Address" else f"IPv6Network(({first}, {length}))"
    return f"(Mac({first}), {length})" if declared == "Mac" else f"({first}, {length})"


def _others(rng: random.Random, module: Declarations, keys: list[KeyName]) -> list[str]:
    lines = []
    if rng.random() < 0.3:
        key = module.blooms["SEEN"] = rng.choice(keys)
        lines.append(f"SEEN = Bloom({key.text()}, {rng.choice((4, 50))}, {rng.choice((0.5, 0.1, 0.01))})")
    if rng.random() < 0.3:
        module.histograms.append("SIZES")
        lines.append(f"SIZES = Histogram({rng.choice((1, 2, 3, 4))})")
    if rng.random() < 0.4:
        struct = rng.choice([struct for struct in module.structs if struct.name.startswith("Flow")])
        module.events["EVENTS"] = struct
        lines.append(f"EVENTS = Events({struct.name}, {rng.choice((1, 2, 5, 40))})")
    return lines


def headers(rng: random.Random, module: Declarations) -> str:
    """Headers for `pkt.at`."""
    lines: list[str] = []
    for number in range(rng.choice((0, 1, 2))):
        fields: list[FieldSpec] = []
        lines += ["@header", f"class Own{number}:"]
        bit = 0
        for line, kind, width in (f for group in rng.choices(_HEADER_FIELDS, k=rng.choice((1, 2, 4))) for f in group):
            name = f"h{len(fields)}"
            fields.append(FieldSpec(name, bit, width, kind, steers=False, plain=False))
            lines.append("    " + line.format(name))
            bit += width
        module.headers[f"Own{number}"] = HeaderSpec(f"Own{number}", tuple(fields), bit // 8, None)
        lines.append("")
    return "\n".join(lines)
