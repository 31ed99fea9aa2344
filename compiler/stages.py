"""What the compiler makes of a filter, stage by stage, for people to read: `nmjit check` and `nmjit dump`.

This file must not know: how it is shown.
"""

from __future__ import annotations

from typing import Literal

from nmjit._filter import Filter
from nmjit.compiler import jit, pipeline
from nmjit.compiler.abi import Accessor
from nmjit.compiler.printer import print_function
from nmjit.compiler.report import Report

Stage = Literal["ir", "llvm", "asm"]


def check(filter_: Filter) -> Report:
    """The verifier's report. CompileError for a filter outside the language; a refused one has `refused` set."""
    verified = pipeline.verify_filter(filter_)
    return verified.report if verified.report.refused else pipeline.finish(verified).report


def dump(filter_: Filter, stage: Stage, accessor: Accessor) -> str:
    """The text of one stage: IR after the passes with the slices behind it, LLVM as it is handed over, or this
    machine's assembly. CompileError for a filter outside the language or refused."""
    verified = pipeline.verify_filter(filter_)
    if stage == "ir":
        finished = pipeline.finish(verified)
        functions = (finished.function, *(part.function for part in finished.slices.functions))
        return "\n".join(print_function(function) for function in functions)
    artifact = pipeline.emit_artifact(verified, accessor)
    return artifact.llvm_ir if stage == "llvm" else jit.assembly_text(artifact.llvm_ir)
