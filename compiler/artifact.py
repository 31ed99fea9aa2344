"""A compiled filter as a value: the same on every machine, comparable, and plain enough to be kept on disk.

An artifact holds all that loading and running need, so that a cached start imports neither the IR, the verifier nor an
emitter; `ArtifactSite` therefore repeats `ir.Site` field by field.

This file must not know: ops, the optimiser, this machine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar, StoredField


@dataclass(frozen=True, slots=True)
class ArtifactSite:
    """A place in the source that may raise, line and column from 1; site number n is `Artifact.sites[n]`."""

    exception: str
    line: int
    column: int
    guard: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One filter, compiled for one accessor.

    `llvm_ir` is the unoptimised module; `ports` the names that redirect indices stand for; `redirects` whether the
    batch function writes `ports`; `headroom` the bytes that the filter may push in front of a packet; `resizes` whether
    the batch function writes `new_len` and `head_offset`, `mirrors` whether it makes copies; `report` the verifier's
    summary as JSON.
    """

    name: str
    llvm_ir: str
    accessor: Accessor
    sites: tuple[ArtifactSite, ...]
    maps: tuple[MapDecl, ...]
    ports: tuple[str, ...]
    redirects: bool
    report: str
    headroom: int = 0
    resizes: bool = False
    mirrors: bool = False

    def to_json(self) -> str:
        """JSON text that `from_json` reads back as an equal artifact."""
        plain = asdict(self)
        plain["accessor"]["kind"] = self.accessor.kind.value
        for entry, decl in zip(plain["maps"], self.maps, strict=True):
            entry["kind"] = decl.kind.value
        return json.dumps(plain, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Artifact:
        """The artifact that `to_json` wrote; ValueError where `text` is no such thing."""
        try:
            return _artifact(json.loads(text))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not an artifact: {error!r}") from error


def _artifact(plain: dict[str, Any]) -> Artifact:
    accessor = plain.pop("accessor")
    return Artifact(
        accessor=Accessor(AccessorKind(accessor["kind"]), accessor["stride"]),
        sites=tuple(ArtifactSite(**site) for site in plain.pop("sites")),
        maps=tuple(_map(decl) for decl in plain.pop("maps")),
        ports=tuple(plain.pop("ports")),
        **plain,
    )


def _map(plain: dict[str, Any]) -> MapDecl:
    layout = plain.pop("layout")
    for name in ("key", "key_types", "field_types"):
        plain[name] = tuple(plain[name])
    fields = (StoredField(field["name"], field["offset"], Scalar(**field["scalar"])) for field in layout["fields"])
    kind = MapKind(plain.pop("kind"))
    return MapDecl(kind=kind, layout=Layout(tuple(fields), layout["size"], layout["align"]), **plain)
