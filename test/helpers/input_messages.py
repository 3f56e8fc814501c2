"""Messages of the input topics, through real CDR bytes, and those of the arc2017 frame."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from iscene_ros.io.demo_frame import arc2017_observation
from iscene_ros.ros.messages import RosbagsTypes

TYPES = RosbagsTypes()
STAMP_NS = 1_500_000_000_123_456_789
FRAME = "camera_color_optical_frame"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
VISION = "vision_msgs/msg/Detection2DArray"
YOLO = "yolo_msgs/msg/DetectionArray"
TF = "tf2_msgs/msg/TFMessage"
POSE = "geometry_msgs/msg/PoseStamped"
ODOMETRY = "nav_msgs/msg/Odometry"
make = TYPES.make


def received(name: str, message: Any) -> Any:
    """The message as a subscriber gets it: serialised and read back."""
    return TYPES.deserialize(name, TYPES.serialize(name, message))


def header(frame_id: str = FRAME, stamp_ns: int = STAMP_NS) -> Any:
    return TYPES.header(stamp_ns, frame_id)


def image(
    pixels: np.ndarray,
    encoding: str,
    /,
    padding: int = 0,
    big_endian: bool = False,
    **changed: Any,
) -> Any:
    """An Image of (H, W) or (H, W, C) pixels, rows padded by bytes of 0xAB."""
    swapped = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.ascontiguousarray(swapped).reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, [(0, 0), (0, padding)], constant_values=0xAB)
    fields = {
        "header": header(),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": int(big_endian),
        "step": rows.shape[1],
        "data": TYPES.byte_array(rows),
    }
    return received(IMAGE, make(IMAGE, **fields | changed))


def camera_info(**changed: Any) -> Any:
    """A CameraInfo of 640 x 480 pixels without distortion."""
    fields = {
        "header": header(),
        "height": 480,
        "width": 640,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": np.array([600.0, 0, 320, 0, 610, 240, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.array([590.0, 0, 321, 0, 0, 605, 241, 0, 0, 0, 1, 0]),
    }
    return received(CAMERA_INFO, make(CAMERA_INFO, **fields | changed))


def region(x: int, y: int, width: int, height: int) -> Any:
    return make(
        "sensor_msgs/msg/RegionOfInterest", x_offset=x, y_offset=y, width=width, height=height
    )


def vision_detection(
    results: list[tuple[str, float]], box: tuple[float, ...] = (), theta: float = 0.0, id: str = ""
) -> Any:
    """A Detection2D of (class id, score) results and box centre u, v, width, height."""
    u, v, width, height = box or (0.0,) * 4
    return make(
        "vision_msgs/msg/Detection2D",
        header=header(),
        results=[
            make(
                "vision_msgs/msg/ObjectHypothesisWithPose",
                hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=score),
            )
            for class_id, score in results
        ],
        bbox=make(
            "vision_msgs/msg/BoundingBox2D",
            center=make(
                "vision_msgs/msg/Pose2D",
                position=make("vision_msgs/msg/Point2D", x=u, y=v),
                theta=theta,
            ),
            size_x=width,
            size_y=height,
        ),
        id=id,
    )


def vision_detections(*detections: Any) -> Any:
    return received(VISION, make(VISION, header=header(), detections=list(detections)))


def yolo_detection(
    class_name: str,
    score: float,
    box: tuple[float, ...] = (),
    polygon: Any = (),
    class_id: int = 0,
    id: str = "",
) -> Any:
    """A Detection of yolo_msgs; the polygon is (P, 2) u, v."""
    u, v, width, height = box or (0.0,) * 4
    point = "yolo_msgs/msg/Point2D"
    return make(
        "yolo_msgs/msg/Detection",
        class_id=class_id,
        class_name=class_name,
        score=score,
        id=id,
        bbox=make(
            "yolo_msgs/msg/BoundingBox2D",
            center=make("yolo_msgs/msg/Pose2D", position=make(point, x=u, y=v)),
            size=make("yolo_msgs/msg/Vector2", x=width, y=height),
        ),
        mask=make(
            "yolo_msgs/msg/Mask",
            height=480,
            width=640,
            data=[make(point, x=float(x), y=float(y)) for x, y in polygon],
        ),
    )


def yolo_detections(*detections: Any) -> Any:
    return received(YOLO, make(YOLO, header=header(), detections=list(detections)))


def vector(x: float, y: float, z: float, kind: str = "Vector3") -> Any:
    return make(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)


def quaternion(x: float, y: float, z: float, w: float) -> Any:
    return make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def transform(
    parent: str = "map",
    child: str = FRAME,
    translation: tuple[float, ...] = (1.0, 2.0, 3.0),
    xyzw: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0),
    stamp_ns: int = STAMP_NS,
) -> Any:
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=header(parent, stamp_ns),
        child_frame_id=child,
        transform=make(
            "geometry_msgs/msg/Transform",
            translation=vector(*translation),
            rotation=quaternion(*xyzw),
        ),
    )


def transforms(*parts: Any) -> Any:
    return received(TF, make(TF, transforms=list(parts)))


def pose_of(translation: tuple[float, ...], xyzw: tuple[float, ...]) -> Any:
    return make(
        "geometry_msgs/msg/Pose",
        position=vector(*translation, kind="Point"),
        orientation=quaternion(*xyzw),
    )


def pose_stamped(
    translation: tuple[float, ...] = (1.0, 2.0, 3.0),
    xyzw: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0),
    frame_id: str = "map",
) -> Any:
    message = make(POSE, header=header(frame_id), pose=pose_of(translation, xyzw))
    return received(POSE, message)


def odometry(child: str = "base_link", frame_id: str = "odom") -> Any:
    pose = make(
        "geometry_msgs/msg/PoseWithCovariance", pose=pose_of((1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0))
    )
    message = make(ODOMETRY, header=header(frame_id), child_frame_id=child, pose=pose)
    return received(ODOMETRY, message)


def compressed(data: bytes, format_text: str, of: Any = None) -> Any:
    """A CompressedImage of the bytes of a file, with the header of a message if one is given."""
    values = TYPES.byte_array(np.frombuffer(data, np.uint8))
    head = header() if of is None else of.header
    return received(COMPRESSED, make(COMPRESSED, header=head, format=format_text, data=values))


@lru_cache(maxsize=1)
def arc2017() -> Any:
    """The real frame."""
    return arc2017_observation()


def arc2017_label_image() -> np.ndarray:
    """(H, W) int32 ids of the real frame; where masks overlap the last one wins."""
    ids = np.zeros(arc2017().depth.shape, np.int32)
    for number, mask in enumerate(arc2017().masks, start=1):
        ids[mask] = number
    return ids


def image_file(pixels: np.ndarray, kind: str) -> bytes:
    """Return the bytes of an image file of a kind such as "png"."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()
