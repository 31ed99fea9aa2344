"""A filter, ready to run by one back end: native code from the cache or the compiler, the IR's interpreter, or CPython.

With cached code nothing of the compiler but its cache and its linker is imported: this is on the path from a command
to the first packet. This file must not know: ports, capture files.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import nmjit
from nmjit._filter import Filter
from nmjit._verdict import VERDICTS, Verdict
from nmjit._version import VERSION
from nmjit.compiler import cache
from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.artifact import Artifact, ArtifactSite
from nmjit.compiler.fingerprint import Fingerprint
from nmjit.compiler.irtypes import MapDecl
from nmjit.compiler.loader import load_filter
from nmjit.compiler.maplayout import TABLE_KINDS
from nmjit.compiler.options import DEFAULT_OPTIONS, PARANOID_VERDICT, EmitOptions
from nmjit.runtime import _engine
from nmjit.runtime.maps import LiveMap, live_map

if TYPE_CHECKING:
    from nmjit.compiler.jit import NativeCode

DESCRIPTORS: Final = Accessor(AccessorKind.DESCRIPTOR)
"""How captures and packets that a caller hands over are found."""
BACKENDS: Final = ("python", "interp", "jit")
"""The definition first."""


@dataclass(frozen=True, slots=True)
class PacketResult:
    """What became of one packet: `data` after the filter, `port` for a redirect, `exception` and `line` for ABORTED.

    `mirrors` are the copies that the filter made: the port's name, and the bytes.
    """

    verdict: Verdict
    data: bytes
    port: str | None = None
    exception: str | None = None
    line: int = 0
    mirrors: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """A packet as it arrived: bytes, ns since 1970, bytes on the wire (at least those present)."""

    data: bytes
    timestamp: int = 0
    wire_len: int = 0


class BrokenPromise(Exception):
    """Paranoid code found that something the verifier had proved does not hold: a bug of nmjit."""


class Backend(Protocol):
    """One way to run a filter over packets. Maps and the packet number live on from call to call."""

    def run(self, frames: Sequence[Frame]) -> list[PacketResult]:
        """Run over each frame in order."""

    def maps(self) -> Mapping[str, list[tuple[int, ...]]]:
        """Stored values of each map, by name and entry."""

    def reset(self) -> None:
        """Give maps their first contents again, and count packets from 0."""


class Program:
    """A filter with what it was declared to need. Not safe for use from several threads at once."""

    def __init__(
        self, filter_: Filter, label: str, backend: str, options: EmitOptions, store: cache.ObjectCache
    ) -> None:
        self.filter = filter_
        self.label = label
        """How the user named it: FILE or FILE:NAME."""
        self.backend = backend
        self.workers = options.workers
        """How many workers may run the code at once."""
        self._options = options
        self._store = store
        self._print = Fingerprint(filter_)
        self._loaded: dict[Accessor, tuple[Artifact, NativeCode]] = {}
        self._runner: Backend | None = None

    @classmethod
    def load(
        cls,
        source: str | Path | Filter,
        *,
        name: str | None = None,
        defines: Mapping[str, str] | None = None,
        backend: str = "jit",
        paranoid: bool = False,
        workers: int = 1,
        slices: bool = True,
        cache_directory: Path | None = None,
        use_cache: bool = True,
    ) -> Program:
        """The program of a filter or of a filter's file; `name` chooses among several, `defines` is what -D says.

        `workers` is how many may share the maps, one for each queue of a port. Without `slices`, look-ups wait for
        memory one by one. `cache_directory` is where objects are kept, by default under XDG_CACHE_HOME. CompileError
        where the filter is refused, OSError where the file can't be read.
        """
        if isinstance(source, Filter):
            filter_, label = source, source.name
        else:
            filter_ = load_filter(Path(source), defines, name)
            label = f"{source}:{name}" if name else str(source)
        directory = cache_directory or cache.cache_directory(os.environ, Path.home())
        store = cache.ObjectCache(directory if use_cache else None)
        options = EmitOptions(paranoid=paranoid, workers=workers, slices=slices, slice_bytes=_private_cache())
        program = cls(filter_, label, backend, options, store)
        program.prepare()
        return program

    def on(self, backend: str) -> Program:
        """The same filter on another back end; itself where it is on that one."""
        if backend == self.backend:
            return self
        other = Program(self.filter, self.label, backend, self._options, self._store)
        other.prepare()
        return other

    def prepare(self) -> None:
        """Compile now what running will need, so that a refusal comes before the first packet."""
        if self.backend in ("jit", "all"):
            self.artifact(DESCRIPTORS)
        else:
            self._backend()

    # What a host needs

    @property
    def sites(self) -> Sequence[ArtifactSite]:
        """Places that may raise, by site number."""
        return self._any_artifact().sites

    @property
    def maps(self) -> Sequence[MapDecl]:
        """Maps in the order in which the code is given them."""
        return self._any_artifact().maps

    @property
    def ports(self) -> Sequence[str]:
        """Names that the port numbers of REDIRECT stand for."""
        return self._any_artifact().ports

    @property
    def report(self) -> dict[str, Any]:
        """The verifier's report, as docs/json.md has it for `nmjit check`."""
        report: dict[str, Any] = json.loads(self._any_artifact().report)
        return report

    def address_for(self, accessor: Accessor) -> int:
        """Address of the batch function for packets that lie as `accessor` says, valid while the program lives."""
        self.artifact(accessor)
        return self._loaded[accessor][1].address

    def engine_program(self, accessor: Accessor, map_addresses: Sequence[int]) -> _engine.Program:
        """The code for `accessor` as a worker takes it, with the addresses of one worker's maps."""
        artifact = self.artifact(accessor)
        return _engine.Program(
            self.address_for(accessor),
            len(artifact.sites),
            map_addresses,
            headroom=artifact.headroom,
            resizes=artifact.resizes,
            mirrors=artifact.mirrors,
        )

    def new_maps(
        self, workers: int = 1, *, seed: int = 0, gate: _engine.Gate | None = None, pin: Path | None = None
    ) -> dict[str, LiveMap]:
        """Memory for the maps, holding what the module put into them.

        `seed` is that of tables' hashes: where anyone may send packets, it should be nobody's to guess. Who writes to
        the maps while workers run needs the workers' `gate`. With `pin`, maps are files in that folder, and those that
        are there already keep what they hold. MapFileError where such a file is another map's, or in use.
        """
        return {
            decl.name: live_map(decl, workers, seed=seed, gate=gate, pin=pin, first=self._fill) for decl in self.maps
        }

    def _fill(self, view: LiveMap) -> None:
        """Load what the module put into a map."""
        obj = self._print.maps.get(view.decl.name)
        entries = obj.entries() if obj is not None else ()
        if any(view.decl.kind in TABLE_KINDS or any(entry) for entry in entries):
            view.load(entries)

    def artifact(self, accessor: Accessor) -> Artifact:
        """The artifact for `accessor`, whose code is then loaded: from the cache where it is there, else compiled."""
        if accessor not in self._loaded:
            self._loaded[accessor] = self._compile(accessor)
        return self._loaded[accessor][0]

    def _any_artifact(self) -> Artifact:
        return next(iter(self._loaded.values()))[0] if self._loaded else self.artifact(DESCRIPTORS)

    def _compile(self, accessor: Accessor) -> tuple[Artifact, NativeCode]:
        from nmjit.compiler import jit  # LLVM, which only native code needs

        key = self._key(accessor, jit.target_identity())
        held = self._store.load(key) if key else None
        if held is None:
            from nmjit.compiler.pipeline import compile_filter  # the compiler, which cached code does not need

            artifact = compile_filter(self.filter, accessor, self._options)
            held = cache.CachedObject(artifact, jit.compile_object(artifact.llvm_ir))
            if key:
                self._store.store(key, held)
        return held.artifact, jit.load_object(held.image)

    def _key(self, accessor: Accessor, target: str) -> str | None:
        if self._print.text is None:
            return None
        return cache.entry_key(
            {
                "filter": self._print.text,
                "accessor": repr(accessor),
                "options": repr(self._options),
                "target": target,
                "nmjit": f"{VERSION} {_compiler_identity()}",
            }
        )

    # Running packets

    def run_packets(self, packets: Iterable[bytes | Frame]) -> list[PacketResult]:
        """Run over each packet in order; maps live on from call to call. BrokenPromise from paranoid code."""
        frames = [packet if isinstance(packet, Frame) else Frame(bytes(packet)) for packet in packets]
        return self._backend().run(frames)

    def run(self, packet: bytes) -> PacketResult:
        """Run over one packet."""
        (result,) = self.run_packets([packet])
        return result

    def map_entries(self) -> Mapping[str, list[tuple[int, ...]]]:
        """Stored values of each map after the packets so far, by name and entry."""
        return self._backend().maps()

    def reset(self) -> None:
        """Forget what packets left: maps as the module made them, packets counted from 0."""
        self._backend().reset()

    def _backend(self) -> Backend:
        if self._runner is None:
            if self.backend == "jit":
                self._runner = _Native(self)
            else:
                from nmjit.runtime.reference import reference_backend  # the compiler and the oracle

                self._runner = reference_backend(self.backend, self.filter)
        return self._runner


@functools.cache
def _compiler_identity() -> str:
    """Names, sizes and times of the compiler's files: a checkout changes without a new version."""
    root = Path(cache.__file__).resolve().parent
    language = Path(nmjit.__file__).resolve().parent
    folders = (language, root, root / "lowering", root / "passes", root / "slices", root / "verifier")
    files = (entry for folder in folders if folder.is_dir() for entry in os.scandir(folder))
    return str(sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.name.endswith(".py")))


@functools.cache
def _private_cache() -> int:
    """Bytes of a core's own second level cache, or a usual size where the system does not tell: maps that fit into it
    gain nothing by slices."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return DEFAULT_OPTIONS.slice_bytes


class _Native:
    """Compiled code over packets that a caller hands over."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._address = program.address_for(DESCRIPTORS)
        self._artifact = program.artifact(DESCRIPTORS)
        self.reset()

    def reset(self) -> None:
        self._maps = self._program.new_maps()
        addresses = [self._maps[decl.name].address(0) for decl in self._artifact.maps]
        self._code = self._program.engine_program(DESCRIPTORS, addresses)
        self._packets = 0

    def maps(self) -> Mapping[str, list[tuple[int, ...]]]:
        return {name: view.entries() for name, view in self._maps.items()}

    def run(self, frames: Sequence[Frame]) -> list[PacketResult]:
        verdicts, data, sites, ports, mirrors = _engine.run_packets(
            self._code,
            [frame.data for frame in frames],
            timestamps=[frame.timestamp for frame in frames],
            wire_lengths=[max(frame.wire_len, len(frame.data)) for frame in frames],
            first_packet=self._packets,
        )
        self._packets += len(frames)
        return [self._result(*each) for each in zip(verdicts, data, sites, ports, mirrors, strict=True)]

    def _result(
        self, verdict: int, data: bytes, site: int, port: int, mirrors: tuple[tuple[int, bytes], ...]
    ) -> PacketResult:
        if verdict == PARANOID_VERDICT:
            raise BrokenPromise(f"{self._artifact.name}: the verifier proved what does not hold")
        raised = self._artifact.sites[site - 1] if verdict == 0 and site else None
        return PacketResult(
            VERDICTS[verdict],
            data,
            self._artifact.ports[port] if verdict == 4 and port >= 0 else None,
            raised.exception if raised else None,
            raised.line if raised else 0,
            tuple((self._artifact.ports[number], copy) for number, copy in mirrors),
        )
