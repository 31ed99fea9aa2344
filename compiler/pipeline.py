"""The order of things: a filter to an artifact.

    lower → simplify_cfg → gvn → fold → simplify_cfg → dead_code → verify → drop_checks → … → slices → emit

This file must not know: how any stage works; this machine (jit.py); where objects are kept (cache.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from nmjit._filter import Filter
from nmjit.compiler import emit, wellformed
from nmjit.compiler.abi import Accessor
from nmjit.compiler.artifact import Artifact, ArtifactSite
from nmjit.compiler.errors import CompileError, Diagnostic
from nmjit.compiler.holding import holding
from nmjit.compiler.ir import Function, Mirror
from nmjit.compiler.lowering import Lowered, lower_filter
from nmjit.compiler.maplayout import map_bytes
from nmjit.compiler.options import DEFAULT_OPTIONS, EmitOptions
from nmjit.compiler.passes import combine_stores, dead_code, drop_checks, fold, gvn, simplify_cfg
from nmjit.compiler.report import OpenCheck, Report
from nmjit.compiler.slices import Slices, slices
from nmjit.compiler.source import function_source
from nmjit.compiler.verifier import Analysis, verify

BEFORE_VERIFYING: Final = (simplify_cfg.run, gvn.run, fold.run, simplify_cfg.run, dead_code.run)
AFTER_VERIFYING: Final = (fold.run, simplify_cfg.run, combine_stores.run, dead_code.run)


@dataclass(frozen=True, slots=True)
class Verified:
    """A filter that the verifier has seen: the IR that it speaks of, and what it says."""

    lowered: Lowered
    analysis: Analysis
    report: Report

    @property
    def function(self) -> Function:
        return self.lowered.function


@dataclass(frozen=True, slots=True)
class Finished:
    """A verified filter after all passes, and what is cut out of it; `report` tells of its look-ups too."""

    function: Function
    slices: Slices
    report: Report


def verify_filter(filter_: Filter, *, shared: bool = False) -> Verified:
    """Lower and verify; a refusal by the verifier is in the report. CompileError for a filter outside the language.

    `shared` says that other workers will use the maps at the same time.
    """
    try:
        lowered = lower_filter(filter_)
    except RecursionError:
        raise CompileError(
            _whole(filter_, "the code nests too deep", "split it into helpers, or flatten it.")
        ) from None
    for run in BEFORE_VERIFYING:
        run(lowered.function)
    analysis = verify(lowered.function, shared=shared)
    return Verified(lowered, analysis, _report(filter_, lowered, analysis))


def finish(verified: Verified, options: EmitOptions = DEFAULT_OPTIONS) -> Finished:
    """The IR that is emitted, made of a verified filter's own, which it changes. CompileError where it is refused."""
    if verified.report.refused:
        raise CompileError(*verified.report.refused)
    function, analysis = verified.function, verified.analysis
    if not options.paranoid:
        drop_checks.run(function, analysis.proven)
        for run in AFTER_VERIFYING:
            run(function)
    made = slices(function, analysis, options)
    faults = wellformed.findings(function)
    for part in made.functions:
        faults += wellformed.findings(part.function, is_slice=True)
    assert not faults, faults
    return Finished(function, made, replace(verified.report, lookups=made.lookups))


def compile_filter(filter_: Filter, accessor: Accessor, options: EmitOptions = DEFAULT_OPTIONS) -> Artifact:
    """The artifact of a filter for one accessor. CompileError where the filter is refused."""
    return emit_artifact(verify_filter(filter_, shared=options.workers > 1), accessor, options)


def emit_artifact(verified: Verified, accessor: Accessor, options: EmitOptions = DEFAULT_OPTIONS) -> Artifact:
    """`finish` a verified filter and emit it, which can be done once. CompileError where it is refused."""
    finished = finish(verified, options)
    function, analysis = finished.function, verified.analysis
    text = emit.emit_module(
        function,
        analysis.ranges,
        accessor,
        options,
        proven=analysis.proven,
        header_bytes=analysis.max_packet_byte,
        slices=[emit.LevelSlice(part.function, part.ranges) for part in finished.slices.functions],
        holding=holding(function),
    )
    return Artifact(
        name=function.name,
        llvm_ir=text,
        accessor=accessor,
        sites=tuple(ArtifactSite(s.exception, s.line, s.column, s.guard, s.file) for s in function.sites),
        maps=tuple(function.maps),
        ports=tuple(name for name, _ in verified.lowered.ports),
        redirects=emit.redirects(function),
        report=json.dumps(finished.report.to_json()),
        headroom=analysis.headroom,
        resizes=emit.resizes(function),
        mirrors=any(isinstance(op, Mirror) for op in function.ops()),
    )


def _report(filter_: Filter, lowered: Lowered, analysis: Analysis) -> Report:
    return Report(
        proven=analysis.proven_sites,
        open=tuple(OpenCheck(o.line, o.column, o.exception, o.guard) for o in analysis.open),
        refused=tuple(_refusals(filter_, analysis)),
        worst_case_ops=analysis.worst_case_ops,
        max_packet_byte=analysis.max_packet_byte,
        maps_bytes=sum(map_bytes(decl) for decl in lowered.function.maps),
    )


def _refusals(filter_: Filter, analysis: Analysis) -> list[Diagnostic]:
    """The verifier's refusals, and accesses that it could not prove, as diagnostics."""
    found = [_at_line(filter_, refusal.line, refusal.message, refusal.cure) for refusal in analysis.refused]
    for access in analysis.unsafe:
        reason = f"an access of this line can't be shown to be safe ({access.message})"
        found.append(_at_line(filter_, access.line, reason, "test the bound with an if just before it."))
    return found


def _at_line(filter_: Filter, line: int, reason: str, cure: str) -> Diagnostic:
    source, _ = function_source(filter_.function)  # type: ignore[arg-type]
    if not 0 < line <= len(source.lines):
        return _whole(filter_, reason, cure)
    text = source.lines[line - 1]
    column = len(text) - len(text.lstrip()) + 1
    return Diagnostic(source.file, line, column, len(text.rstrip()) + 1, reason, cure, text)


def _whole(filter_: Filter, reason: str, cure: str) -> Diagnostic:
    source, definition = function_source(filter_.function)  # type: ignore[arg-type]
    return source.diagnostic(definition, reason, cure)
