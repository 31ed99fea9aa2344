"""Maps of a running filter as live Python mappings over the memory that compiled code writes: by kind, and by file.

This file must not know: how any kind works. mapfile.py has the memory, mapviews.py and maptables.py the views.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeAlias

from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.maplayout import MAX_WORKERS, PER_WORKER_KINDS
from nmjit.runtime._engine import Gate
from nmjit.runtime.mapfile import Segment, new_segment, opened_segment, pinned_segment
from nmjit.runtime.maptables import LpmView, TableView
from nmjit.runtime.mapviews import ArrayView, BloomView, CounterView, Entry, Event, EventsView, HistogramView

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never

__all__ = [
    "ArrayView",
    "BloomView",
    "CounterView",
    "Entry",
    "Event",
    "EventsView",
    "HistogramView",
    "LiveMap",
    "LpmView",
    "TableView",
    "live_map",
    "open_map",
]

LiveMap: TypeAlias = ArrayView | CounterView | HistogramView | TableView | LpmView | BloomView | EventsView


def live_map(
    decl: MapDecl,
    workers: int = 1,
    *,
    seed: int = 0,
    gate: Gate | None = None,
    pin: str | os.PathLike[str] | None = None,
    first: Callable[[LiveMap], object] = lambda _: None,
) -> LiveMap:
    """The map that `decl` declares, used by `workers` workers, as a mapping.

    Its memory is new and empty, and `first` fills it; with `pin`, a file in that folder, which keeps what it holds.
    `seed` is that of a new table's hash: a pinned one has its own, whatever is given. `gate` is the one that the
    workers were given. ValueError for no or too many workers. MapFileError: the file is another map's, damaged, or in
    use. OSError.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise ValueError(f"a map has 1 to {MAX_WORKERS} workers, not {workers}")
    copies = workers if decl.kind in PER_WORKER_KINDS else 1
    if pin is None:
        view = _view(new_segment(decl, copies), gate, seed, workers)
        first(view)
        return view
    segment = pinned_segment(decl, copies, pin, lambda fresh: first(_view(fresh, None, seed, workers)))
    return _view(segment, gate, seed, workers)


def open_map(path: str | os.PathLike[str]) -> LiveMap:
    """A map of another process, live, for reading: a pinned file, or a memfd by its name under /proc.

    Looking up an address in an LpmTrie may fail while that process changes it. MapFileError: not a map of this layout,
    or damaged. OSError: the system refuses.
    """
    return _view(opened_segment(path), None, 0, 1)


def _view(segment: Segment, gate: Gate | None, seed: int, workers: int) -> LiveMap:
    match segment.decl.kind:
        case MapKind.ARRAY:
            return ArrayView(segment, gate)
        case MapKind.COUNTER:
            return CounterView(segment, gate)
        case MapKind.HISTOGRAM:
            return HistogramView(segment, gate)
        case MapKind.HASH | MapKind.LRU:
            return TableView(segment, gate, seed=seed, workers=workers)
        case MapKind.LPM:
            return LpmView(segment, gate, seed=seed, workers=workers)
        case MapKind.BLOOM:
            return BloomView(segment, gate)
        case MapKind.EVENTS:
            return EventsView(segment, gate)
        case _:
            assert_never(segment.decl.kind)
