"""Parallel-jaw grippers as boxes: two fingers and a palm, with a width and a force.

The grasp frame: x is the direction in which the fingers close, z the way in, the origin lies
between the middles of the pads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

import numpy as np

from iscene_ros.core.errors import InputError


@dataclass(frozen=True)
class Boxes:
    """Boxes along the axes of the grasp frame: corners low and high, (B, 3) [m]."""

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Gripper:
    """A parallel-jaw gripper.

    Attributes:
        name: of a preset, or of your own.
        max_width: largest distance of the pads [m].
        finger_thickness: along x, outward from the pad [m].
        finger_width: along y [m].
        finger_length: along z, from the tip to the palm [m].
        tip: from the middle of the pads to the tips [m]; pads are twice as long.
        palm_size: (x, y, z) of the box behind the fingers [m].
        force: with which each finger presses [N].

    Raises:
        InputError: a size that cannot be.
    """

    name: str
    max_width: float
    finger_thickness: float
    finger_width: float
    finger_length: float
    tip: float
    palm_size: tuple[float, float, float]
    force: float

    def __post_init__(self) -> None:
        for item in fields(self)[1:]:
            values = np.atleast_1d(np.asarray(getattr(self, item.name), np.float64))
            if not np.all(np.isfinite(values) & (values > 0)):
                raise InputError(f"gripper {self.name}: {item.name} is {values}, expected above 0")
        if len(np.atleast_1d(self.palm_size)) != 3:
            raise InputError(f"gripper {self.name}: palm_size, expected three lengths [m]")
        if 2 * self.tip > self.finger_length:
            raise InputError(
                f"gripper {self.name}: pads of {2 * self.tip} m (twice the tip) on fingers of "
                f"{self.finger_length} m; expected shorter pads"
            )

    @property
    def palm_depth(self) -> float:
        """How far the palm's face lies behind the origin of the grasp frame [m]."""
        return self.finger_length - self.tip

    def boxes(self, opening: float) -> Boxes:
        """Return left finger, right finger and palm, the pads `opening` apart [m]."""
        inner, outer = 0.5 * opening, 0.5 * opening + self.finger_thickness
        half, back = 0.5 * self.finger_width, -self.palm_depth
        x, y, z = self.palm_size
        low = [[-outer, -half, back], [inner, -half, back], [-x / 2, -y / 2, back - z]]
        high = [[-inner, half, self.tip], [outer, half, self.tip], [x / 2, y / 2, back]]
        return Boxes(np.array(low), np.array(high))

    def corners(self, openings: np.ndarray) -> np.ndarray:
        """Return (N, 24, 3) corners of the boxes in each of N openings [m]."""
        closed, is_high = self.boxes(0.0), np.array(list(product((False, True), repeat=3)))
        corners = np.where(is_high, closed.high[:, None], closed.low[:, None])
        moved = np.tile(corners, (len(openings), 1, 1, 1))
        moved[:, 0, :, 0] -= 0.5 * openings[:, None]
        moved[:, 1, :, 0] += 0.5 * openings[:, None]
        return moved.reshape(len(openings), -1, 3)


# Franka Hand: stroke of its product manual, and less than half of its continuous force of 70 N;
# fingers and hand are the largest boxes around the collision shapes of franka_description. z of
# `panda_hand` is the way in, y the direction of closing: `panda_hand_tcp`, turned by 90 degrees
# about z, is the grasp frame.
FRANKA_HAND = Gripper(
    "franka_hand",
    max_width=0.08,
    finger_thickness=0.0152,
    finger_width=0.022,
    finger_length=0.0465,
    tip=0.0095,
    palm_size=(0.204, 0.063, 0.066),
    force=30.0,
)
# Robotiq 2F-85: stroke, force (of its 20 to 235 N) and outer sizes of its instruction manual; its
# fingers swing by up to 13 mm along z while they close, which is left out.
ROBOTIQ_2F_85 = Gripper(
    "robotiq_2f_85",
    max_width=0.085,
    finger_thickness=0.014,
    finger_width=0.022,
    finger_length=0.055,
    tip=0.0188,
    palm_size=(0.149, 0.075, 0.094),
    force=30.0,
)
GRIPPERS = {gripper.name: gripper for gripper in (FRANKA_HAND, ROBOTIQ_2F_85)}


def gripper_named(name: str) -> Gripper:
    """Return a preset.

    Raises:
        InputError: there is none of this name.
    """
    if name not in GRIPPERS:
        raise InputError(f"gripper {name!r}: expected one of {', '.join(GRIPPERS)}")
    return GRIPPERS[name]
