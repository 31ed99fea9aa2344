"""docs/language.md: its filters compile, its message is what is said, its headers are those of lang/_headers.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nmjit._headers import LAYERS, FieldKind
from nmjit.compiler.errors import CompileError
from nmjit.compiler.loader import load_filter
from nmjit.compiler.pipeline import verify_filter

PAGE = Path(__file__).resolve().parents[3] / "docs/language.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"@filter\ndef (\w+)", block)[0])
def test_filter_is_accepted(block: str, tmp_path: Path) -> None:
    file = tmp_path / "filter.py"
    file.write_text(block, encoding="utf-8")
    assert verify_filter(load_filter(file)).report.refused == ()


def test_message_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [told] = re.findall(
        r"^\$ nmjit check filter.py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    monkeypatch.chdir(tmp_path)
    head = "from nmjit import *\n\n\n@filter\ndef f(pkt: Packet) -> Verdict:\n    ip = pkt.ipv4\n"
    Path("filter.py").write_text(head + told.splitlines()[1][4:] + "\n        return DROP\n    return PASS")
    with pytest.raises(CompileError) as caught:
        verify_filter(load_filter(Path("filter.py")))
    assert str(caught.value) == told.rstrip("\n")


def rows() -> list[str]:
    """The table of headers."""
    result = ["| `pkt.` | fields (bits) |", "|---|---|"]
    for name, header in LAYERS.items():
        fields = [
            f"{field.name} ({field.bits})" if field.kind is FieldKind.INT else f"{field.name} ({field.kind.value})"
            for field in header.__header__.fields
        ]
        result.append(f"| `{name}` | {', '.join(fields)} |")
    return result


def test_header_table(update_cases: bool) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- headers: checked against lang/_headers.py -->\n")
    table, _, behind = rest.partition("\n<!-- end of headers -->")
    if update_cases:
        start = text[: len(text) - len(rest)]
        PAGE.write_text(start + "\n".join(rows()) + "\n<!-- end of headers -->" + behind, encoding="utf-8")
        return
    assert before != text, "the page has no table of headers"
    assert table.splitlines() == rows()
