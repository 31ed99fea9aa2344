"""No file makes the front end fail: mutilated filters are lowered to well-formed IR, or refused with a place.

The seeds are the filters of the text cases. A mutation swaps, deletes or replaces nodes of their trees.
"""

from __future__ import annotations

import ast
import random
import warnings
from pathlib import Path

import pytest

from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import UnknownConstant, load_filter
from nmjit.compiler.lowering import lower_filter
from nmjit.compiler.wellformed import findings
from tests.compiler.refused.test_refused import FOLDER as REFUSED
from tests.compiler.refused.test_refused import PRELUDE
from tests.compiler.test_cases import cases

LOWERED = Path(__file__).parent / "cases"
SEEDS = [
    case[0].text for folder in (REFUSED, LOWERED) for path in sorted(folder.glob("*.case")) for case in cases(path)
]
HARMLESS = [text for text in SEEDS if "exit" not in text and "open(" not in text]
ROUNDS = 4
CONSTANTS = (
    0, 1, -1, 63, 64, 2**63, 2**64, 2**200, True, None, "text", "\ud800", "", b"", b"GET ", b"x" * 65, 1.5, 1j, ...,
    float("nan"), (), (1, "a"),
)  # fmt: skip
NAMES = (
    "pkt", "len", "range", "PASS", "DROP", "redirect", "random", "now", "IPv4Address", "NetworkSet", "Tcp", "u8", "i64",
    "any", "all", "min", "int", "bool", "abs", "isinstance", "print", "x", "f", "Array", "nmjit", "set", "sorted",
    "zip", "enumerate", "reversed", "bytes", "tuple", "__name__", "Mac", "struct", "filter", "type", "NotImplemented",
    "mirror", "RateLimit", "HashMap", "HITS", "FLOWS", "Flow", "COUNTS",
)  # fmt: skip
ATTRIBUTES = (
    "tcp", "ipv4", "ipv6", "udp", "eth", "payload", "src", "dst", "sport", "options", "kind", "length", "at", "u16",
    "find", "startswith", "update_checksum", "is_private", "vxlan", "x", "__class__", "push", "value", "proto", "ttl",
    "port", "pull", "get", "setdefault", "add", "emit", "allow", "rate", "pop", "packets", "open",
)  # fmt: skip


class Mutator(ast.NodeTransformer):
    """Replaces about one expression or statement in `period` by another of the tree, or by something odd."""

    def __init__(self, rng: random.Random, tree: ast.Module, period: int) -> None:
        self.rng = rng
        self.period = period
        self.pool = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            if self.rng.randrange(self.period) == 0:
                return self.other(node)
        elif isinstance(node, ast.Attribute) and self.rng.randrange(self.period) == 0:
            node.attr = self.rng.choice(ATTRIBUTES)
        return self.generic_visit(node)

    def other(self, node: ast.expr) -> ast.expr:
        rng = self.rng
        same = rng.choice(self.pool)
        match rng.randrange(9):
            case 0:
                return ast.Constant(rng.choice(CONSTANTS))  # type: ignore[arg-type]  # tuples may stand
            case 1:
                return ast.Name(rng.choice(NAMES), ast.Load())
            case 2:
                return ast.Attribute(node, rng.choice(ATTRIBUTES), ast.Load())
            case 3:
                return ast.Call(node, rng.sample(self.pool, rng.randrange(3)), [])
            case 4:
                return ast.BinOp(node, rng.choice((ast.Add, ast.FloorDiv, ast.LShift, ast.BitAnd, ast.RShift))(), same)
            case 5:
                return ast.Compare(node, [rng.choice((ast.Eq, ast.Lt, ast.In, ast.Is, ast.NotIn))()], [same])
            case 6:
                return ast.IfExp(same, node, rng.choice(self.pool))
            case 7:
                return ast.BoolOp(rng.choice((ast.And, ast.Or))(), [node, same])
            case _:
                return ast.Subscript(node, same, ast.Load())


def mutated(seed: int, text: str) -> str | None:
    """The text after a mutation, None where it is no Python."""
    rng = random.Random(f"fuzz {seed}")
    try:
        tree = ast.parse(text)
        mutator = Mutator(rng, tree, rng.choice((4, 10, 30)))
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            for statement in function.body:
                mutator.generic_visit(statement)
            if len(function.body) > 1 and rng.randrange(8) == 0:
                rng.shuffle(function.body)
        return ast.unparse(ast.fix_missing_locations(tree))
    except (SyntaxError, RecursionError, ValueError):
        return None


def compile_or_refuse(file: Path, text: str) -> None:
    """Anything but a refusal, or well-formed IR, is a fault of the compiler."""
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lowered = lower_filter(load_filter(file))
        except (CompileError, UnknownConstant) as error:
            refusal = str(error)
        else:
            assert findings(lowered.function) == []
            return
    assert refusal


@pytest.mark.parametrize("number", range(len(HARMLESS)))
def test_mutated(number: int, tmp_path: Path) -> None:
    for turn in range(ROUNDS):
        text = mutated(number * ROUNDS + turn, HARMLESS[number])
        if text is not None:
            compile_or_refuse(tmp_path / "filter.py", PRELUDE + text)


HEAD = PRELUDE + "@filter\ndef f(pkt: Packet) -> Verdict:\n"
ODD = {
    "nul": HEAD + "    return PASS\0",
    "deep_sum": HEAD + "    return PASS if len(pkt)" + " + 1" * 3000 + " else DROP",
    "deep_parentheses": HEAD + "    return " + "(" * 300 + "PASS" + ")" * 300,
    "deep_not": HEAD + "    return PASS if " + "not " * 3000 + "pkt else DROP",
    "deep_attributes": HEAD + "    return pkt" + ".tcp" * 3000,
    "deep_elif": HEAD + "    if pkt.tcp:\n        pass\n" + "    elif len(pkt) == 5:\n        pass\n" * 800
    + "    return PASS",
    "form_feed": HEAD.replace("\n@", "\n\x0c\n@") + "    x = '\x1c\u2028\x85' / 2\n    return PASS",
    "carriage_returns": HEAD.replace("\n", "\r\n") + "    return PASS / 2\r\n",
    "byte_order_mark": "\ufeff" + HEAD + "    return PASS",
    "tabs": HEAD + "\tx = 'ü日本', 1 / 2\n\treturn PASS",
    "surrogate": HEAD + "    assert '\\ud800' in pkt.payload\n    return PASS",
    "lone_surrogate_byte": HEAD + "    x = '\ud800'\n    return PASS",
    "default_unhashable": PRELUDE + "def g(a, b=[], *, c={}):\n    return len(b)\n" + HEAD.replace(PRELUDE, "")
    + "    return PASS if g(1) else DROP",
    "class_level": PRELUDE + "class A:\n    @filter\n    def f(self, pkt):\n        return PASS\nf = A.f",
    "shadowed": PRELUDE + "len = 3\nrange = 'x'\nPASS = None\n" + HEAD.replace(PRELUDE, "")
    + "    for i in range(len(pkt)):\n        pass\n    return PASS",
    "deleted_builtins": PRELUDE + "__builtins__ = {}\n" + HEAD.replace(PRELUDE, "") + "    return PASS",
    "odd_equality": PRELUDE + "class O:\n    def __eq__(self, other):\n        raise KeyError\n    __hash__ = None\n"
    "    def __bool__(self):\n        raise OSError\nO = O()\n" + HEAD.replace(PRELUDE, "")
    + "    if O == O or O in (O, 1) or O is None or O:\n        return PASS\n    return DROP",
    "not_a_function": PRELUDE + "class F:\n    def __call__(self):\n        return 1\n    __hash__ = None\nF = F()\n"
    + HEAD.replace(PRELUDE, "") + "    return PASS if F() else DROP",
    "renamed_code": HEAD + "    return PASS\nf.function.__code__ = (lambda pkt: 1).__code__",
    "huge_range": HEAD + "    for i in range(0, 1 << 63):\n        if i > 5:\n            break\n    return PASS",
    "many_loops": HEAD + "    x = 0\n" + "    for a in (1, 2, 3):\n        x += a\n" * 500 + "    return PASS",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd(name: str, tmp_path: Path) -> None:
    compile_or_refuse(tmp_path / "filter.py", ODD[name])
