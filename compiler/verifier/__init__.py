"""The verifier: proves what must hold for a function, bounds its cost, and says what stays open. No logic."""

from nmjit.compiler.verifier.interval import Interval
from nmjit.compiler.verifier.report import Analysis, OpenCheck, Refusal, UnsafeAccess, verify

__all__ = ["Analysis", "Interval", "OpenCheck", "Refusal", "UnsafeAccess", "verify"]
