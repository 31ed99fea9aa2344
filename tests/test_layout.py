"""The rules of the house that a machine can check: packages, names, sizes, imports, and that no op is half done.

Where a file or a function has good reason to be longer than the limit, its module docstring says so and names the
limit ("600 lines", "60 lines"); that sentence is what these tests look for.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from nmjit.compiler.ir import OP_CLASSES, BinaryKind, Op

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
CODE = ("compiler", "runtime", "programs", "bench", "tests", "docs", ".ci")
SOURCE_SUFFIXES = {".py", ".pyx", ".pxi", ".c", ".h"}
NOT_WRITTEN_BY_HAND = {ROOT / "runtime/_engine.c"}
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
BANNED_STEMS = {"utils", "util", "common", "misc", "base", "helpers", "helper", "manager"}

OP_FILES = {
    "printer": ("compiler/printer.py",),
    "reader": ("compiler/reader.py",),
    "wellformed": ("compiler/wellformed*.py",),
    "interp": ("compiler/interp*.py",),
    "obligations": ("compiler/verifier/obligations.py",),
    "transfer": ("compiler/verifier/transfer*.py",),
    "emit": ("compiler/emit*.py",),
}
"""Where each aspect of an op lives; a pattern where the aspect is spread over several files."""

MNEMONICS = {
    "Const": "const",
    "Phi": "phi",
    "Compare": "cmp",
    "Not": "not",
    "Select": "select",
    "Wrap": "wrap",
    "InSet": "inset",
    "Lookup": "lookup",
    "Item": "item",
    "Window": "window",
    "Context": "length",  # a ContextField's value stands for itself
    "Random": "random",
    "Load": "load",
    "LoadBytes": "loadbytes",
    "Find": "find",
    "Store": "store",
    "StoreBytes": "storebytes",
    "MapLoad": "mapload",
    "MapStore": "mapstore",
    "MapAdd": "mapadd",
    "PackKey": "pack",
    "KeyHash": "hash",
    "MapFind": "mapfind",
    "MapInsert": "mapinsert",
    "MapDelete": "mapdelete",
    "LpmFind": "lpmfind",
    "BloomTest": "bloomtest",
    "BloomAdd": "bloomadd",
    "LogBucket": "logbucket",
    "RateTake": "take",
    "EventEmit": "emit",
    "MoveHead": "movehead",
    "Mirror": "mirror",
    "Prefetch": "prefetch",
    "Check": "check",
    "Jump": "jump",
    "Branch": "branch",
    "Return": "return %",  # else the source of a case would do
    "Raise": "raise",
}
"""Text form of each op but Binary, whose text forms are the values of BinaryKind; the grammar is in compiler/ir.py."""


def project() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return settings


def source_files(*suffixes: str) -> list[Path]:
    """Files written by hand with one of `suffixes`, the whole project over."""
    wanted = set(suffixes) or SOURCE_SUFFIXES
    found = chain.from_iterable((ROOT / folder).rglob("*") for folder in CODE)
    generated = {ROOT / "bench/out"}
    return sorted(
        path
        for path in found
        if path.suffix in wanted and path not in NOT_WRITTEN_BY_HAND and not generated & set(path.parents)
    )


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstring(path: Path) -> str:
    """The head of a Python file, or the first comment of a C file."""
    text = path.read_text()
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    head = re.match(r"\s*(/\*.*?\*/|\"\"\".*?\"\"\"|(?:#.*\n)*\"\"\".*?\"\"\")", text, re.DOTALL)
    return head.group(0) if head else ""


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with its lines. In C a body is what stands between braces in column one."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.name, node.end_lineno - node.lineno + 1
    elif path.suffix in {".c", ".h"}:
        start = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("{"):
                start = number
            elif line.startswith("}") and start is not None:
                yield f"line {start}", number - start + 1
                start = None


def test_package_list_matches_the_tree() -> None:
    settings = project()["tool"]["setuptools"]
    roots: dict[str, str] = settings["package-dir"]
    nested = {ROOT / folder for folder in roots.values()}
    found = set()
    for package, folder in roots.items():
        top = ROOT / folder
        for path in sorted({file.parent for file in top.rglob("*.py")}):
            inner = [path, *path.parents]
            if any(other in inner and other != top and top in other.parents for other in nested):
                continue  # compiler/lang lies in compiler/, and is a package of its own name
            found.add(".".join([package, *path.relative_to(top).parts]))
    assert sorted(settings["packages"]) == sorted(found)


def test_every_package_has_an_init() -> None:
    settings = project()["tool"]["setuptools"]
    for package in settings["packages"]:
        root = max((root for root in settings["package-dir"] if f"{package}.".startswith(f"{root}.")), key=len)
        folder = ROOT / settings["package-dir"][root] / Path(*package.removeprefix(root).split("."))
        assert (folder / "__init__.py").is_file(), package
    for folder in {path.parent for path in (ROOT / "tests").rglob("*.py")}:
        assert (folder / "__init__.py").is_file(), name(folder)


def test_extension_lists_every_c_file_and_header() -> None:
    (engine,) = project()["tool"]["setuptools"]["ext-modules"]
    sources = {name(path) for path in (ROOT / "runtime/csrc").glob("*.c")}
    assert set(engine["sources"]) == sources | {"runtime/_engine.pyx"}
    patterns = ("runtime/csrc/*.h", "runtime/csrc/*.pxi", "runtime/*.pxi", "kernel/uapi/*.h")
    assert set(engine["depends"]) == {name(path) for pattern in patterns for path in ROOT.glob(pattern)}


def test_no_file_is_named_for_having_no_purpose() -> None:
    assert [name(path) for path in source_files() if path.stem.lower() in BANNED_STEMS] == []


def test_every_python_file_says_what_it_is_for() -> None:
    silent = [name(path) for path in source_files(".py") if path.read_text().strip() and not docstring(path)]
    assert silent == []


def test_files_are_short_or_say_why() -> None:
    long = {name(path): len(path.read_text().splitlines()) for path in source_files()}
    excused = {name(path) for path in source_files() if f"{MAX_FILE_LINES} lines" in docstring(path)}
    assert {file: lines for file, lines in long.items() if lines > MAX_FILE_LINES and file not in excused} == {}


def test_functions_are_short_or_their_file_says_why() -> None:
    long = [
        f"{name(path)}: {function} has {lines} lines"
        for path in source_files(".py", ".c", ".h")
        if f"{MAX_FUNCTION_LINES} lines" not in docstring(path)
        for function, lines in function_lengths(path)
        if lines > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_relative_or_bare_imports() -> None:
    found = []
    for path in source_files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            if isinstance(node, ast.ImportFrom) and node.level:
                found.append(f"{name(path)}:{node.lineno}: relative")
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(module.split(".")[0] in {"compiler", "runtime", "programs", "bench"} for module in modules):
                found.append(f"{name(path)}:{node.lineno}: a second copy of the package")
    assert found == []


def test_the_language_imports_its_own_modules_by_name() -> None:
    found = []
    for path in (ROOT / "compiler/lang").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "nmjit":
                found.append(f"{name(path)}:{node.lineno}")
    assert found == []


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, `from a import b` as `a` and as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_the_jit_talks_to_llvm() -> None:
    """import-linter sees whole distributions only, and emit.py may use llvmlite.ir, which is plain Python."""
    product = [path for folder in ("compiler", "runtime", "programs") for path in (ROOT / folder).rglob("*.py")]
    talking = {name(path) for path in product if "llvmlite.binding" in imported_modules(path)}
    assert talking == {"compiler/jit.py"}


def names_used(path: Path) -> set[str]:
    """Identifiers that a file uses outside its imports."""
    tree = ast.parse(path.read_text())
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


@pytest.mark.parametrize("aspect", OP_FILES)
def test_every_op_is_handled_by(aspect: str) -> None:
    files = [path for pattern in OP_FILES[aspect] for path in ROOT.glob(pattern)]
    assert files, OP_FILES[aspect]
    used = set[str]().union(*(names_used(path) for path in files))
    assert [op.__name__ for op in OP_CLASSES if op.__name__ not in used] == []


def test_op_classes_lists_every_op() -> None:
    assert {op.__name__ for op in OP_CLASSES} == {op.__name__ for op in Op.__subclasses__()}
    assert {op.__name__ for op in OP_CLASSES} == {*MNEMONICS, "Binary"}


def test_every_op_has_a_case_file() -> None:
    cases = "\n".join(path.read_text() for path in (ROOT / "tests/compiler/cases").rglob("*.case"))
    mnemonics = {*MNEMONICS.values(), *(kind.value for kind in BinaryKind)}
    assert sorted(word for word in mnemonics if not re.search(rf"(= |^\s*){word}", cases, re.MULTILINE)) == []
