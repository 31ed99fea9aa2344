"""What `nmjit check` tells of a filter, as plain data that survives a stay in the cache.

This file must not know: how anything was proved (verifier/), IR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nmjit.compiler.errors import Diagnostic


@dataclass(frozen=True, slots=True)
class OpenCheck:
    """A place that may raise at run time: line and column from 1; `guard` is the test that would close it."""

    line: int
    column: int
    exception: str
    guard: str

    def to_json(self) -> dict[str, int | str]:
        """The object of docs/json.md."""
        return {"line": self.line, "column": self.column, "exception": self.exception, "guard": self.guard}


@dataclass(frozen=True, slots=True)
class LookUp:
    """Where a key is looked up in a map: line from 1; whether its memory is asked for ahead, and by a slice of which
    level, else None and the `reason` why not."""

    map: str
    line: int
    covered: bool
    level: int | None
    reason: str

    def to_json(self) -> dict[str, int | str | bool | None]:
        """The object of docs/json.md."""
        return {
            "map": self.map,
            "line": self.line,
            "covered": self.covered,
            "level": self.level,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The verifier's result.

    `proven` counts the places that may raise in general and can't here; `refused` is empty for an accepted filter.
    `worst_case_ops` is in IR ops a packet, `max_packet_byte` 1 + the deepest packet byte that may be read or written,
    `maps_bytes` for one worker. `lookups`, by line, are there once the filter's slices are.
    """

    proven: int
    open: tuple[OpenCheck, ...]
    refused: tuple[Diagnostic, ...]
    worst_case_ops: int
    max_packet_byte: int
    maps_bytes: int
    lookups: tuple[LookUp, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of docs/json.md, `nmjit check`."""
        return {
            "proven": self.proven,
            "open": [check.to_json() for check in self.open],
            "refused": [diagnostic.to_json() for diagnostic in self.refused],
            "worst_case_ops": self.worst_case_ops,
            "max_packet_byte": self.max_packet_byte,
            "maps_bytes": self.maps_bytes,
            "lookups": [lookup.to_json() for lookup in self.lookups],
        }
