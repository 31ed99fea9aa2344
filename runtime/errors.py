"""What the runtime raises: `NotSupported` is about this machine, `PortError` about a port, `MapFileError` about a map's
file.

Anything else that escapes is a bug of ours and is left to raise. This file must not know: engines, ports, filters.
"""

from __future__ import annotations


class NotSupported(Exception):
    """This machine, or this version of nmjit, cannot do `what`, because of `why`; `since` names what would bring it."""

    def __init__(self, what: str, why: str, since: str | None = None) -> None:
        super().__init__(what, why, since)
        self.what = what
        self.why = why
        self.since = since

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" + (f" (needs {self.since})" if self.since else "")


class PortError(Exception):
    """A port failed: its name, the reason, and the errno where the system gave one.

    For a capture, `offset` is the byte of the file that is at fault and `record` the number of the record, from 1.
    """

    def __init__(
        self, port: str, reason: str, *, errno: int = 0, offset: int | None = None, record: int | None = None
    ) -> None:
        super().__init__(port, reason)
        self.port = port
        self.reason = reason
        self.errno = errno
        self.offset = offset
        self.record = record

    def __str__(self) -> str:
        place = [f"record {self.record}"] if self.record is not None else []
        place += [f"byte {self.offset}"] if self.offset is not None else []
        return f"{self.port}: {self.reason}" + (f" ({', '.join(place)})" if place else "")


class MapFileError(Exception):
    """A file cannot be used as a map's memory: its path, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
