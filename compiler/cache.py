"""Compiled objects on disk: what a filter became is kept under a hash of all that it was made from.

An entry is one file, written beside its place and renamed, so that processes never see half of one:

    MAGIC  sha256 of what follows (32 bytes)  length of the JSON (u64, little endian)  artifact as JSON  object

An entry that is cut short, altered or of another layout counts as absent and is replaced. Objects are run, so a
directory or file that another user owns or may write to counts as absent too.

This file must not know: the environment (the directory is an argument), LLVM, how a key's parts came about.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nmjit.compiler.artifact import Artifact

MAGIC: Final = b"nmjit object 1\n"
DEFAULT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that the entries may take in all."""

_SUFFIX: Final = ".nmjit"
_DIGEST: Final = hashlib.sha256().digest_size
_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class CachedObject:
    """An artifact and the object that was compiled from it on this machine."""

    artifact: Artifact
    image: bytes


def entry_key(parts: Mapping[str, str]) -> str:
    """Name of the entry for code made from `parts`.

    `parts` must name everything that the code depends on: source text, constants, accessor, options, target
    (`jit.target_identity`), version of nmjit. Neither the order nor what one part holds makes two sets alike.
    """
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


def cache_directory(environment: Mapping[str, str], home: Path) -> Path:
    """Where the XDG Base Directory Specification puts the cache: a relative XDG_CACHE_HOME counts as unset."""
    configured = Path(environment.get("XDG_CACHE_HOME", ""))
    return (configured if configured.is_absolute() else home / ".cache") / "nmjit"


class ObjectCache:
    """Entries in `directory`, at most `limit` bytes in all; with `directory` None nothing is kept or found.

    Safe between processes. Trouble with the file system makes an entry absent, and never raises: the cache only saves
    time.
    """

    def __init__(self, directory: Path | None, limit: int = DEFAULT_LIMIT) -> None:
        self._directory = directory
        self._limit = limit

    def load(self, key: str) -> CachedObject | None:
        """The entry, now the most recently used one; None where there is none that can be trusted."""
        if self._directory is None:
            return None
        try:
            if not _is_private(os.stat(self._directory)):
                return None
            with open(self._directory / (key + _SUFFIX), "rb") as file:
                if not _is_private(os.fstat(file.fileno())):
                    return None
                content = file.read()
                os.utime(file.fileno())
        except OSError:
            return None
        return _decode(content)

    def store(self, key: str, entry: CachedObject) -> None:
        """Keep `entry`, in place of one of that key, and drop the longest unused ones beyond the limit."""
        if self._directory is None:
            return
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(os.stat(self._directory)):
                self._write(self._directory / (key + _SUFFIX), _encode(entry))
                self._evict(self._directory)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """Create in one step for whoever looks. mkstemp's files are the owner's alone (0600)."""
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _evict(self, directory: Path) -> None:
        entries = []
        for item in os.scandir(directory):
            with contextlib.suppress(FileNotFoundError):  # another process evicts, too
                if item.name.endswith(_SUFFIX):
                    known = item.stat()
                    entries.append((known.st_mtime_ns, known.st_size, item.path))
        total = 0
        for _, size, path in sorted(entries, reverse=True):
            total += size
            if total > self._limit:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


def _is_private(status: os.stat_result) -> bool:
    """Whether this user alone can have written what `status` is of."""
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o022


def _encode(entry: CachedObject) -> bytes:
    text = entry.artifact.to_json().encode()
    body = len(text).to_bytes(_LENGTH, "little") + text + entry.image
    return MAGIC + hashlib.sha256(body).digest() + body


def _decode(content: bytes) -> CachedObject | None:
    start = len(MAGIC) + _DIGEST
    digest, body = content[len(MAGIC) : start], content[start:]
    if not content.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    end = _LENGTH + int.from_bytes(body[:_LENGTH], "little")
    try:
        artifact = Artifact.from_json(body[_LENGTH:end].decode())
    except ValueError:  # another version's fields
        return None
    return CachedObject(artifact, body[end:])
