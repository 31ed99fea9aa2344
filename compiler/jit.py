"""From an artifact's LLVM text to machine code in this process.

The one importer of `llvmlite.binding`, and only once something is compiled or loaded: its import takes most of the
time of a cached start. Code is generated for this very machine (CPU name and features) and linked by LLVM's ORC. It
needs no symbol of anybody else's: the linker is given none, so an object that calls a library does not load.

This file must not know: IR, the verifier, what a packet is. Source: LLVM's "ORC Design and Implementation" and
"Using the New Pass Manager", llvmlite's binding documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final

from nmjit.compiler.abi import BATCH_SYMBOL

OPTIMISATION_LEVEL: Final = 2
"""Of the pass pipeline and of code generation. Level 3 gives filters the same code in the same time."""

_library_numbers: Final = count()


@dataclass(frozen=True, slots=True)
class NativeCode:
    """A loaded batch function: `address` is valid while this object lives, and not a moment longer."""

    address: int
    _tracker: Any = field(repr=False, compare=False)


@cache
def _llvm() -> Any:
    """llvmlite's binding, with this machine's target set up."""
    import llvmlite.binding as llvm  # here, so that nothing pays for it before code is wanted

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def _target_machine(level: int = OPTIMISATION_LEVEL) -> Any:
    llvm = _llvm()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=level,
        reloc="pic",
        codemodel="default",
    )


@cache
def _linker() -> Any:
    """One ORC instance for the process; each loaded object is a library of its own in it."""
    return _llvm().create_lljit_compiler(_target_machine(), suppress_errors=True)


def target_identity() -> str:
    """What machine code depends on besides its text: CPU name, its features, versions of llvmlite and LLVM."""
    import llvmlite

    llvm = _llvm()
    features = llvm.get_host_cpu_features().flatten()
    versions = f"llvmlite {llvmlite.__version__} LLVM {'.'.join(map(str, llvm.llvm_version_info))}"
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features} {versions}"


def _optimised(llvm_ir: str, level: int = OPTIMISATION_LEVEL) -> Any:
    """The module after LLVM's pipeline of that level, 0 … 3. RuntimeError for malformed text: our bug."""
    llvm, machine = _llvm(), _target_machine(level)
    module = llvm.parse_assembly(llvm_ir)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = True
    tuning.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    return module


def compile_object(llvm_ir: str, level: int = OPTIMISATION_LEVEL) -> bytes:
    """Relocatable object (ELF) of an artifact's `llvm_ir`, for this machine.

    A lower `level` of optimisation, 0 … 3, compiles faster, for tests. RuntimeError where the text is not well formed:
    a bug of the emitter.
    """
    return bytes(_target_machine(level).emit_object(_optimised(llvm_ir, level)))


def load_object(image: bytes) -> NativeCode:
    """Link an object of `compile_object` into this process.

    RuntimeError where it is none, or where it needs a symbol that it does not define.
    """
    builder = _llvm().JITLibraryBuilder()
    builder.add_object_img(image)
    builder.export_symbol(BATCH_SYMBOL)
    tracker = builder.link(_linker(), f"nmjit{next(_library_numbers)}")
    return NativeCode(tracker[BATCH_SYMBOL], tracker)


def optimised_text(llvm_ir: str) -> str:
    """LLVM text after optimisation, for reading."""
    return str(_optimised(llvm_ir))


def assembly_text(llvm_ir: str) -> str:
    """Assembly of this machine, for reading."""
    return str(_target_machine().emit_assembly(_optimised(llvm_ir)))
