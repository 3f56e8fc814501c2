"""Writes CDR, the bytes of ROS 2 messages, so that numpy arrays pass without Python objects.

XCDR1, little endian: numbers lie at multiples of their own size, counted from behind the four bytes
of encapsulation. See the OMG's DDS-XTypes, "Extended CDR encoding version 1".
"""

from __future__ import annotations

import struct

import numpy as np

ENCAPSULATION = b"\x00\x01\x00\x00"


class CdrWriter:
    """Appends the fields of one message in their order; `data` are its bytes so far."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._position = 0

    def data(self) -> bytes:
        """The message with its encapsulation."""
        return b"".join([ENCAPSULATION, *self._parts])

    def numbers(self, kind: str, *values: float | bool) -> None:
        """Numbers of one type.

        Args:
            kind: letter of `struct`: ? bool, B uint8, i int32, I uint32, f float32, d float64...
            values: one or more.
        """
        self._align(struct.calcsize(kind))
        self._append(struct.pack(f"<{len(values)}{kind}", *values))

    def string(self, text: str) -> None:
        """A string: its length, UTF-8 and a zero."""
        encoded = text.encode()
        self.numbers("I", len(encoded) + 1)
        self._append(encoded + b"\x00")

    def sequence(self, values: np.ndarray, fields: int = 1) -> None:
        """A sequence of numbers, or of structures of equal numbers; the array is not copied.

        Args:
            values: any shape; written as it lies, in C order.
            fields: numbers of a structure, as 3 for geometry_msgs/Point.
        """
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        self.numbers("I", values.size // fields)
        # An empty sequence has no elements to align.
        if values.size:
            self._align(values.itemsize)
            self._append(memoryview(little.reshape(-1).view(np.uint8)))

    def empty_sequences(self, count: int = 1) -> None:
        """Sequences without elements, or empty bytes."""
        self.numbers("I", *[0] * count)

    def _align(self, size: int) -> None:
        gap = -self._position % size
        if gap:
            self._append(bytes(gap))

    def _append(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._position += len(part)
