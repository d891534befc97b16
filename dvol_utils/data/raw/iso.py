"""Times of a raw file that are text."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

_ISO_ZONE = re.compile(rb"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$")
ISO_EXAMPLE = "ISO 8601 text such as 2021-03-24 00:00 or 2021-03-24T00:00:00Z, all rows alike"


def is_time(cell: bytes, zone: str | None) -> bool:
    """Whether a cell is a time, of a file whose times are in such a zone."""
    try:
        pc.cast(pa.scalar(cell.decode()), pa.timestamp("us", zone))
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return False
    return True


def zone_of(cell: bytes) -> str | None:
    """UTC where the first time of a file has an offset: then all of its times need one."""
    return "UTC" if _ISO_ZONE.search(cell[10:]) else None
