"""The real demo frame as a bag, to try `iscene bag` and the node on."""

from __future__ import annotations

from iscene_ros.bag.names import resolved
from iscene_ros.bag.writing import BagWriter, offered_qos
from iscene_ros.core.stamps import SECOND, nanoseconds
from iscene_ros.io.demo_frame import demo_frame
from iscene_ros.ros.demo_messages import demo_messages
from iscene_ros.ros.messages import RosbagsTypes

# The messages of one frame are recorded one after the other.
BETWEEN_MESSAGES_NS = SECOND // 1000


def write_demo_bag(writer: BagWriter, frames: int, rate: float) -> None:
    """Fill a bag with the demo frame, again and again; the same arguments give the same messages.

    Args:
        writer: an empty bag.
        frames: how often.
        rate: frames a second [1/s].
    """
    types = RosbagsTypes()
    start_ns = nanoseconds(demo_frame().observation.stamp)
    for number in range(frames):
        stamp_ns = start_ns + nanoseconds(number / rate)
        for place, (topic, type_name, message, latched) in enumerate(
            demo_messages(types, stamp_ns)
        ):
            if latched and number:
                continue
            writer.write(
                resolved(topic),
                type_name,
                types.serialize(type_name, message),
                stamp_ns + place * BETWEEN_MESSAGES_NS,
                types.typestore,
                offered_qos(latched),
            )
