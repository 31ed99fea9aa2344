"""What all ops of the IR share; ir.py has the ops.

This file must not know: any op.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from nmjit.compiler.irtypes import Type


class Op:
    """Base of all ops. Identity is equality: two equal-looking ops are two values."""

    __slots__ = ()
    operand_names: ClassVar[tuple[str, ...]] = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    line: int
    """Source line (1-based) that the op came from, 0 where none; for annotated dumps only."""

    @property
    def type(self) -> Type:
        """Type of the op's value, VOID where it has none."""
        raise NotImplementedError

    def operands(self) -> tuple[Value, ...]:
        """The values that this op reads, in order."""
        return tuple(getattr(self, name) for name in self.operand_names)

    def replace_operand(self, old: Value, new: Value) -> None:
        """Read `new` wherever this op read `old`."""
        for name in self.operand_names:
            if getattr(self, name) is old:
                setattr(self, name, new)

    def __repr__(self) -> str:
        """The op without its operands, which may be as many as the function has."""
        values = ((name, getattr(self, name)) for name in self.__match_args__)
        shown = (f"{name}={value!r}" for name, value in values if not isinstance(value, Op | dict | tuple))
        return f"{type(self).__name__}({', '.join(shown)})"


Value: TypeAlias = Op
"""An op whose type is not VOID, as the operand of another."""
