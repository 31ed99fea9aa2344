"""What the compiler makes of a filter, stage by stage, for people to read: `nmjit check` and `nmjit dump`.

This file must not know: how it is shown.
"""

from __future__ import annotations

from typing import Literal

from nmjit._filter import Filter
from nmjit.compiler import jit, pipeline
from nmjit.compiler.abi import Accessor
from nmjit.compiler.errors import CompileError
from nmjit.compiler.passes import drop_checks
from nmjit.compiler.printer import print_function
from nmjit.compiler.report import Report

Stage = Literal["ir", "llvm", "asm"]


def check(filter_: Filter) -> Report:
    """The verifier's report. CompileError for a filter outside the language; a refused one has `refused` set."""
    return pipeline.verify_filter(filter_).report


def dump(filter_: Filter, stage: Stage, accessor: Accessor) -> str:
    """The text of one stage: IR after the passes, LLVM as it is handed over, or this machine's assembly."""
    verified = pipeline.verify_filter(filter_)
    if verified.report.refused:
        raise CompileError(*verified.report.refused)
    if stage == "ir":
        drop_checks.run(verified.function, verified.analysis.proven)
        for run in pipeline.AFTER_VERIFYING:
            run(verified.function)
        return print_function(verified.function)
    artifact = pipeline.emit_artifact(verified, accessor)
    return artifact.llvm_ir if stage == "llvm" else jit.assembly_text(artifact.llvm_ir)
