"""Serialization of numpy arrays to CDR, the wire format of ROS 2, without Python objects.

The format is XCDR1, little endian: every number is aligned to its own size, counted from the end of
the four bytes of encapsulation. See OMG, DDS-XTypes, "Extended CDR encoding version 1".
"""

from __future__ import annotations

import struct

import numpy as np

ENCAPSULATION = b"\x00\x01\x00\x00"


class CdrWriter:
    """Writes the fields of one message in their order; `data` returns the bytes written so far."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._position = 0

    def data(self) -> bytes:
        """Return the bytes of the message with its encapsulation."""
        return b"".join([ENCAPSULATION, *self._parts])

    def numbers(self, kind: str, *values: float | bool) -> None:
        """Append numbers of one type, a letter of `struct`: ? bool, B uint8, i int32, f float32...

        The length of an empty sequence is a number, too.
        """
        self._align(struct.calcsize(kind))
        self._append(struct.pack(f"<{len(values)}{kind}", *values))

    def string(self, text: str) -> None:
        """Append a string: its length in bytes, its UTF-8 bytes and a terminating zero."""
        encoded = text.encode()
        self.numbers("I", len(encoded) + 1)
        self._append(encoded + b"\x00")

    def sequence(self, values: np.ndarray, fields: int = 1) -> None:
        """Append a sequence of numbers in C order, or of structures of so many numbers of one type.

        An array that is contiguous and little endian is not copied.
        """
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        self.numbers("I", values.size // fields)
        # An empty sequence has no elements to align.
        if values.size:
            self._align(values.itemsize)
            self._append(memoryview(little.reshape(-1).view(np.uint8)))

    def _align(self, size: int) -> None:
        """Pad with zeros up to a multiple of a size [bytes]."""
        gap = -self._position % size
        if gap:
            self._append(bytes(gap))

    def _append(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._position += len(part)
