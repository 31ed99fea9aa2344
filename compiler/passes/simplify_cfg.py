"""Make the graph of blocks small: decide constant branches, join straight lines, skip empty blocks, drop dead ones.

Before:                                After:
entry:                                 entry:
  %0 = const bool true                   %0 = const bool true
  %1 = const int 2                       %1 = const int 2
  branch %0, yes, no                     return %1, %1
yes:
  jump done
no:
  jump done
done:
  %2 = phi int yes: %1, no: %1
  return %2, %2

Also: a Check of a constant false becomes a Raise; a branch on `not c` becomes one on `c`; a phi that can only be one
value becomes that value.

This file must not know: anything about ops but constants, negations and phis.
"""

from __future__ import annotations

from nmjit.compiler.ir import BasicBlock, Branch, Check, Const, Function, Jump, Not, Op, Phi, Raise, Value
from nmjit.compiler.passes.substitute import resolve, substitute


def run(function: Function) -> bool:
    """Apply all of it until nothing changes. Whether anything did."""
    simplifier = _Simplifier(function)
    changed = simplifier.failed_checks()
    while simplifier.round():
        changed = True
    substitute(function, simplifier.replacement)
    return changed


class _Simplifier:
    """The function with the values that phis turned out to be, which are put in place at the end."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.replacement: dict[Value, Value] = {}
        self._predecessors: dict[BasicBlock, list[BasicBlock]] = {}

    def round(self) -> bool:
        """Each rule once over all blocks. Whether one applied."""
        changed = self._decide_branches()
        changed |= self._drop_unreachable()
        self._predecessors = self.function.predecessors()
        changed |= self._drop_phis()
        changed |= self._skip_empty()
        changed |= self._join_lines()
        return changed

    def failed_checks(self) -> bool:
        """End each block at a Check that always fails."""
        changed = False
        for block in self.function.blocks:
            for place, op in enumerate(block.ops):
                if type(op) is Check and type(op.condition) is Const and not op.condition.value:
                    for successor in block.successors():
                        _forget(successor, block)
                    block.ops[place:] = [Raise(op.site, op.line)]
                    changed = True
                    break
        return changed

    def _decide_branches(self) -> bool:
        changed = False
        for block in self.function.blocks:
            branch = block.ops[-1]
            if type(branch) is not Branch:
                continue
            condition = resolve(branch.condition, self.replacement)
            while type(condition) is Not:
                branch.then, branch.other = branch.other, branch.then
                branch.expected = None if branch.expected is None else not branch.expected
                condition = branch.condition = resolve(condition.a, self.replacement)
                changed = True
            if branch.then is branch.other:
                block.ops[-1] = Jump(branch.then, branch.line)
                changed = True
            elif type(condition) is Const:
                taken, dropped = (branch.then, branch.other) if condition.value else (branch.other, branch.then)
                block.ops[-1] = Jump(taken, branch.line)
                _forget(dropped, block)
                changed = True
        return changed

    def _drop_unreachable(self) -> bool:
        reachable = set(self.function.reverse_postorder())
        if len(reachable) == len(self.function.blocks):
            return False
        for block in self.function.blocks:
            if block not in reachable:
                for successor in block.successors():
                    _forget(successor, block)
        self.function.blocks = [block for block in self.function.blocks if block in reachable]
        return True

    def _drop_phis(self) -> bool:
        """Replace phis whose ways in all bring one value (or the phi itself, round a loop)."""
        changed = False
        for block in self.function.blocks:
            kept: list[Op] = []
            for phi in _phis(block):
                values = {resolve(value, self.replacement) for value in phi.incoming.values()} - {phi}
                if len(values) == 1:
                    self.replacement[phi] = values.pop()
                else:
                    kept.append(phi)
            count = len(_phis(block))
            if len(kept) != count:
                block.ops[:count] = kept
                changed = True
        return changed

    def _skip_empty(self) -> bool:
        """Lead the predecessors of a block that only jumps straight to where it jumps, where phis allow."""
        skipped: set[BasicBlock] = set()
        for block in self.function.blocks[1:]:
            jump = block.ops[0]
            if type(jump) is Jump and jump.target is not block and self._may_skip(block, jump.target):
                self._skip(block, jump.target)
                skipped.add(block)
        if skipped:
            self.function.blocks = [block for block in self.function.blocks if block not in skipped]
        return bool(skipped)

    def _may_skip(self, block: BasicBlock, target: BasicBlock) -> bool:
        """Whether no predecessor of `block` leads to `target` already with another value for some phi."""
        return all(
            phi.incoming.get(source, phi.incoming[block]) is phi.incoming[block]
            for phi in _phis(target)
            for source in self._predecessors[block]
        )

    def _skip(self, block: BasicBlock, target: BasicBlock) -> None:
        sources = self._predecessors[block]
        for source in sources:
            _redirect(source, block, target)
        for phi in _phis(target):
            value = phi.incoming[block]
            _reroute(phi, block, {source: value for source in sources})
        others = [source for source in self._predecessors[target] if source is not block]
        self._predecessors[target] = others + [source for source in sources if source not in others]

    def _join_lines(self) -> bool:
        """Append to each block the one that it alone leads to and that it only leads to."""
        joined: set[BasicBlock] = set()
        for block in self.function.blocks:
            if block in joined:
                continue
            while type(jump := block.ops[-1]) is Jump:
                after = jump.target
                if after is block or after is self.function.entry or len(self._predecessors[after]) != 1:
                    break
                phis = _phis(after)
                for phi in phis:
                    self.replacement[phi] = resolve(phi.incoming[block], self.replacement)
                block.ops[-1:] = after.ops[len(phis) :]
                for successor in after.successors():
                    for phi in _phis(successor):
                        _reroute(phi, after, {block: phi.incoming[after]})
                    sources = self._predecessors[successor]
                    sources[sources.index(after)] = block
                joined.add(after)
        if joined:
            self.function.blocks = [block for block in self.function.blocks if block not in joined]
        return bool(joined)


def _phis(block: BasicBlock) -> list[Phi]:
    """The phis of a block without a look at the rest of its ops."""
    phis: list[Phi] = []
    for op in block.ops:
        if type(op) is not Phi:
            break
        phis.append(op)
    return phis


def _forget(block: BasicBlock, source: BasicBlock) -> None:
    """Let the phis of `block` know that `source` no longer leads to it."""
    for phi in _phis(block):
        phi.incoming.pop(source, None)


def _reroute(phi: Phi, old: BasicBlock, new: dict[BasicBlock, Value]) -> None:
    """Put the ways in `new` where `old` stood, so that the text keeps its order."""
    incoming: dict[BasicBlock, Value] = {}
    for source, value in phi.incoming.items():
        if source is old:
            incoming.update(new)
        else:
            incoming[source] = value
    phi.incoming = incoming


def _redirect(source: BasicBlock, old: BasicBlock, new: BasicBlock) -> None:
    terminator = source.ops[-1]
    match terminator:
        case Jump():
            terminator.target = new
        case Branch():
            terminator.then = new if terminator.then is old else terminator.then
            terminator.other = new if terminator.other is old else terminator.other
        case _:
            raise AssertionError(f"{source.label} leads nowhere")
