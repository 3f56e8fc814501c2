"""Choices of the placement."""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.core.errors import InputError


@dataclass(frozen=True)
class PlacementOptions:
    """How shapes are laid over a view, and when they are rejected.

    Attributes:
        turn: whether a small yaw and pitch of the cube are found, too.
        max_turn: they stay within this angle [rad].
        refine_objects: whether each object may move a little on its own.
        refine_scale: whether it may change its size, too.
        move_share: standard deviation of an object's own move, as a share of the cube's edge
            (the release places objects on a grid of 64).
        scale_share: standard deviation of an object's own change of size, relative.
        touch_share: objects closer than this share of the cube's edge, or than `touch` [m], touch.
        touch: see there [m].
        contact_tolerance: contacts may change by this much [m].
        noise, noise_growth: standard deviation of a reading at depth z is noise + growth z^2 [m].
        outline_error: standard deviation of a mask's outline [pixels].
        fit_side: the view is thinned until its longer side has about so many pixels.
        fit_faces: shapes are fitted with about so many triangles; they are judged with all.
        readings_per_object, outline_per_object: at most so many pixels of each take part in a step.
        steps: at most so many steps from a start.
        min_readings: an object with fewer is judged by its outline, a view without depth.
        max_residual_share: an object is rejected where its residual is larger than this share of
            its visible size ...
        max_residual_noise: ... plus so many standard deviations of a reading.
        min_agreement: or where a smaller share of its pixels agrees with what was seen.
        min_fitting_share: a scene is rejected where a smaller share of its objects fits.
        camera_height: height of the camera over the support [m]; only used without depth.
        support_height: height of the support in the world [m]; only used without depth.

    Raises:
        InputError: a number is not positive.
    """

    turn: bool = False
    max_turn: float = 0.175
    refine_objects: bool = True
    refine_scale: bool = False
    move_share: float = 0.02
    scale_share: float = 0.03
    touch_share: float = 1 / 128
    touch: float = 0.002
    contact_tolerance: float = 0.002
    noise: float = 0.001
    noise_growth: float = 0.002
    outline_error: float = 1.0
    fit_side: int = 200
    fit_faces: int = 500
    readings_per_object: int = 300
    outline_per_object: int = 150
    steps: int = 12
    min_readings: int = 12
    max_residual_share: float = 0.1
    max_residual_noise: float = 3.0
    min_agreement: float = 0.4
    min_fitting_share: float = 0.4
    camera_height: float | None = None
    support_height: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "support_height" and value is not None and value is not False and value <= 0:
                raise InputError(f"{name}: {value}, expected a positive number")

    def reading_noise(self, depth: float) -> float:
        """Standard deviation of a reading at a depth [m]."""
        return self.noise + self.noise_growth * depth * depth
