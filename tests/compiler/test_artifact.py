"""An artifact survives its text form, and its module loads without the compiler."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.artifact import Artifact, ArtifactSite
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar

ENTRY = Layout.of((("packets", Scalar(4)), ("balance", Scalar(8, signed=True)), ("last", Scalar(16))))
ARTIFACT = Artifact(
    name="count",
    llvm_ir='define i32 @"nmjit_batch"() { ret i32 0 } ; Größe\n',
    accessor=Accessor(AccessorKind.NETMAP, 2048),
    sites=(ArtifactSite("IndexError", 3, 9, "len(pkt) > 4", "count.py"), ArtifactSite("ValueError", 4, 1, "")),
    maps=(
        MapDecl("flows", MapKind.ARRAY, ENTRY, 16),
        MapDecl("hits", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 4, 7),
        MapDecl("peers", MapKind.LRU, ENTRY, 64, key=(4, 2), key_types=("IPv4Address", "u16")),
        MapDecl("sizes", MapKind.HISTOGRAM, Layout.of((("", Scalar(8)),)), 252, detail=2),
    ),
    ports=("out", "tap"),
    redirects=True,
    report="2 checks, 1 proven",
    headroom=64,
    resizes=True,
)


def test_json_gives_an_equal_artifact() -> None:
    copy = Artifact.from_json(ARTIFACT.to_json())
    assert copy == ARTIFACT
    assert copy.maps[0].layout.field("balance").scalar.signed


def test_equal_artifacts_have_equal_text() -> None:
    assert Artifact.from_json(ARTIFACT.to_json()).to_json() == ARTIFACT.to_json()


@pytest.mark.parametrize("damage", ["sites", "accessor", "name", "maps"])
def test_missing_member_is_no_artifact(damage: str) -> None:
    plain = json.loads(ARTIFACT.to_json())
    del plain[damage]
    with pytest.raises(ValueError, match="not an artifact"):
        Artifact.from_json(json.dumps(plain))


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"unknown": 1}', '{"accessor": {"kind": "carrier pigeon", "stride": 0}}']
)
def test_other_text_is_no_artifact(text: str) -> None:
    with pytest.raises(ValueError, match="not an artifact"):
        Artifact.from_json(text)


def test_import_needs_neither_emitter_nor_llvm() -> None:
    script = "import sys, nmjit.compiler.artifact, nmjit.compiler.cache, nmjit.compiler.jit; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "nmjit.compiler.artifact" in loaded
    assert not loaded & {"llvmlite", "nmjit.compiler.ir", "nmjit.compiler.emit"}
