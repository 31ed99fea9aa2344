"""What `import nmjit` costs and loads; its public names."""

import subprocess
import sys
from types import ModuleType

import nmjit

HEAVY = ("llvmlite", "nmjit.compiler", "nmjit.runtime", "typing_extensions", "inspect", "ast", "dataclasses", "logging")


def test_loads_nothing_heavy() -> None:
    code = f"import nmjit, sys; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout == "[]\n"


def test_all_names_exist_and_nothing_else_is_public() -> None:
    assert all(hasattr(nmjit, name) for name in nmjit.__all__)
    public = {n for n, thing in vars(nmjit).items() if not n.startswith("_") and not isinstance(thing, ModuleType)}
    assert public == set(nmjit.__all__)
