"""The compiler: a filter to verified IR to native code. No logic; what needs LLVM loads at use."""

from nmjit.compiler.errors import CompileError, Diagnostic

__all__ = ["CompileError", "Diagnostic"]
