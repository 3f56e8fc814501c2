"""Time in whole nanoseconds, as ROS stamps have it."""

SECOND = 1_000_000_000
# A stamp that is older by this much than one before belongs to another run of time (a bag that
# starts again); smaller steps back are messages out of order.
JUMP_NS = SECOND
# Localisation may stamp transforms up to about a second ahead; stamps further in the future come
# from another clock.
FUTURE_NS = 5 * SECOND


def nanoseconds(seconds: float) -> int:
    """Return whole nanoseconds of seconds."""
    return round(seconds * SECOND)
