"""Every parameter of the node and of `iscene bag`: name, default, meaning, range.

One table serves the ROS parameters (descriptors, validation), config/scene.yaml and
docs/parameters.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from iscene_ros.core.errors import InputError
from iscene_ros.io.twin_files import DOCUMENTS
from iscene_ros.models.model_config import (
    DEVICES,
    ENVELOPES,
    PRECISIONS,
    PRESETS,
    SHIPPED_MODEL,
    CompletionOptions,
    Envelope,
    ModelConfig,
)
from iscene_ros.planning.collision_objects import CollisionOptions
from iscene_ros.planning.grasp_cache import GraspOptions
from iscene_ros.planning.grippers import FRANKA_HAND, GRIPPERS
from iscene_ros.session.parameters import Parameters, check_frame, setting


@dataclass(frozen=True)
class Settings(Parameters):
    """The parameters. `topics` are relative names that launch files remap and bags resolve."""

    frame_prefix: str = setting("", "put before TF names; if empty, the namespace of the node")
    moveit: bool = setting(
        True,
        "send objects to MoveIt where its service apply_planning_scene is available",
        live=True,
    )
    collision_shape: str = setting(
        "auto",
        "objects for MoveIt: auto: convex parts where coacd is installed, else the hull; hull; "
        "mesh: at most 5000 triangles",
        choices=("auto", "hull", "mesh"),
        live=True,
    )
    collision_padding: float = setting(
        0.0, "objects for MoveIt are larger by this on all sides [m]", low=0, high=1, live=True
    )
    grasps: str = setting(
        "none",
        "plan grasps: none; target: of the object grasp_target; all: of every object",
        choices=("none", "target", "all"),
        live=True,
    )
    grasp_target: str = setting(
        "",
        "name or id of the object whose grasps ~/grasps has; if empty and grasps is all, the one "
        "that is most likely picked",
        live=True,
    )
    gripper: str = setting(
        FRANKA_HAND.name, "that grasps are planned for", choices=tuple(GRIPPERS), live=True
    )
    save_twin: str = setting(
        "none",
        "~/save_scene writes the scene for a simulator, too, into a folder beside; with convex "
        "parts it takes seconds an object, which collision_shape hull saves",
        choices=("none", *DOCUMENTS),
        live=True,
    )

    model: str = setting(
        SHIPPED_MODEL,
        "a shipped model, a checkpoint, or a released I-Scene: folder, converted file or hub id",
    )
    device: str = setting("auto", "where the model runs", choices=DEVICES)
    preset: str = setting("exact", "of a released model: how exact and how fast", choices=PRESETS)
    base: str = setting("", "folder or hub id of a released model's base, if not its own")
    envelope: str = setting(
        "mean",
        "surface of iscene-mini: mean; inner: what is almost certainly solid; outer: what may be",
        choices=ENVELOPES,
    )
    precision: str = setting("float32", "of iscene-mini's arithmetic", choices=PRECISIONS)
    twins: bool = setting(False, "objects of the same class and shape complete one another")
    mode: str = setting(
        "continuous",
        "continuous: complete the newest frame again and again; on_demand: only when ~/complete "
        "is called",
        choices=("continuous", "on_demand"),
        live=True,
    )
    rate: float = setting(
        0.0, "most completions a second [1/s]; 0 = as fast as the model", low=0, high=100, live=True
    )
    steps: int = setting(
        0, "steps of a released model's sampler; 0 = the preset's", low=0, high=100, live=True
    )
    seed: int = setting(0, "seed of a released model's noise", low=0, high=2**31 - 1, live=True)
    faces: int = setting(5000, "most triangles of a mesh", low=100, high=200_000, live=True)
    min_score: float = setting(
        0.0, "instances of a lower score, or that no detection describes, are left out",
        low=0, high=1, live=True)  # fmt: skip
    min_pixels: int = setting(
        30, "instances with fewer pixels are left out", low=1, high=10**6, live=True
    )
    max_instances: int = setting(
        64, "the largest instances of a frame are completed, others skipped", low=1, high=512,
        live=True)  # fmt: skip

    world_frame: str = setting("map", "frame of all outputs; z points up")
    camera_frame: str = setting(
        "", "optical frame of all images in TF, instead of the one in their headers"
    )
    fallback_frames: tuple[str, ...] = setting(
        ("odom", "base_link"), "used in this order while TF does not know the world frame"
    )
    pose_source: str = setting(
        "tf",
        "where the camera pose comes from: tf, or the topic camera_pose as PoseStamped (pose) or "
        "Odometry (odometry)",
        choices=("tf", "pose", "odometry"),
    )
    transform_timeout: float = setting(
        0.2, "how long a frame waits for its camera pose [s]", low=0, high=10, live=True
    )
    transform_tolerance: float = setting(
        0.1, "how far a pose may lie from the stamp of the frame [s]", low=0, high=10, live=True
    )
    use_rgb: bool = setting(True, "use the colour image; pictures and released models need it")
    rgb_transport: str = setting(
        "raw", "raw: Image on rgb; compressed: CompressedImage on rgb/compressed",
        choices=("raw", "compressed"),
    )  # fmt: skip
    depth_transport: str = setting(
        "raw", "raw: Image on depth; compressedDepth: CompressedImage on depth/compressedDepth",
        choices=("raw", "compressedDepth"),
    )  # fmt: skip
    rectified: bool = setting(
        False, "the images are rectified: P of camera_info holds, not K and D"
    )
    depth_unit: float = setting(
        0.001, "metres of one step of a 16UC1 depth image [m]", low=1e-6, high=1, live=True
    )
    masks_from: str = setting(
        "instances", "instances: a label image; detections: polygons of yolo_msgs",
        choices=("instances", "detections"),
    )  # fmt: skip
    instance_encoding: str = setting(
        "ids", "what a pixel of the label image is: an instance id, or class << 16 | instance",
        choices=("ids", "class_and_id"),
    )  # fmt: skip
    detections: str = setting(
        "none", "type of the topic detections, which brings classes, scores and tracker ids",
        choices=("none", "vision_msgs", "yolo_msgs"),
    )  # fmt: skip
    class_names: tuple[str, ...] = setting((), "name of each class number, from 0")
    sync_slop: float = setting(
        0.03, "how far the stamps of one frame may lie apart [s]", low=0, high=10, live=True
    )
    queue_size: int = setting(30, "messages of a topic kept for synchronisation", low=1, high=1000)
    max_age: float = setting(
        2.0, "frames older than this are not completed [s]; 0 = any age", low=0, high=3600,
        live=True)  # fmt: skip
    reliability: str = setting(
        "best_effort", "QoS of the image subscriptions", choices=("best_effort", "reliable")
    )
    forget_after: int = setting(
        5, "an object is removed after so many frames in a row that see through its place", low=1,
        high=10_000, live=True)  # fmt: skip
    match_distance: float = setting(
        0.15, "an object of the same class may have moved this far between frames [m]", low=0,
        high=10, live=True)  # fmt: skip

    fusion: bool = setting(
        True, "complete an object from all kept views of it, not from the newest one alone; needs "
        "camera poses", live=True)  # fmt: skip
    keyframes: int = setting(8, "most views kept of an object", low=1, high=64, live=True)
    keyframe_angle: float = setting(
        0.25, "a view is kept where its direction differs by more than this from all kept ones "
        "[rad]", low=0.01, high=3.2, live=True)  # fmt: skip
    keyframe_distance: float = setting(
        0.2, "or where the camera is further than this from all kept ones [m]", low=0.01, high=10,
        live=True)  # fmt: skip

    relations: bool = setting(
        True, "infer the relations between objects after every completion", live=True
    )
    compare_shapes: bool = setting(
        False, "look for equal and mirrored shapes, too, which takes longer than all other "
        "relations", live=True)  # fmt: skip

    load_world: str = setting(
        "",
        "world to start with: a folder of ~/save_world, or the one that holds several, whose "
        "newest is taken",
    )
    environment: bool = setting(
        True,
        "fuse the surroundings of all frames into one mesh, where open3d is installed; else they "
        "are the planes of the newest frame",
        live=True,
    )

    publish_tf: bool = setting(True, "broadcast a TF frame for every object", live=True)
    marker_alpha: float = setting(1.0, "opacity of the mesh markers", low=0, high=1, live=True)
    cloud_points: int = setting(
        2000, "points of ~/cloud an object", low=10, high=100_000, live=True
    )
    inline_meshes: bool = setting(
        False, "put the meshes into ~/scene_graph instead of naming their markers", live=True
    )
    save_directory: str = setting(
        "iscene_scenes", "where ~/save_scene writes; a folder a call", live=True
    )

    topics_rgb: str = setting("rgb", "colour image")
    topics_depth: str = setting("depth", "depth image")
    topics_camera_info: str = setting("camera_info", "calibration of both images")
    topics_instances: str = setting("instances", "label image")
    topics_detections: str = setting("detections", "detections of the colour image")
    topics_tf: str = setting("/tf", "transforms, read and written")
    topics_tf_static: str = setting("/tf_static", "static transforms")
    topics_camera_pose: str = setting("camera_pose", "camera pose where pose_source is not tf")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_frame("world_frame", self.world_frame)
        for frame in self.fallback_frames:
            check_frame("fallback_frames", frame)
        if self.camera_frame:
            check_frame("camera_frame", self.camera_frame)
        if self.frame_prefix.startswith("/"):
            raise InputError(
                f"parameter frame_prefix: {self.frame_prefix!r}, expected no leading slash"
            )
        if self.masks_from == "detections" and self.detections != "yolo_msgs":
            raise InputError(
                f"masks_from: detections, but detections: {self.detections}; only yolo_msgs carry "
                "masks: set detections to yolo_msgs or masks_from to instances"
            )

    def model_config(self, device: str) -> ModelConfig:
        """Return the model that the parameters name, on a device."""
        return ModelConfig(
            self.model,
            device,
            self.base,
            # The session relates the whole map, of which a frame shows a part.
            CompletionOptions(
                relations=False,
                preset=self.preset,
                envelope=Envelope(self.envelope),
                precision=self.precision,
                twins=self.twins,
            ),
        )

    def collision_options(self) -> CollisionOptions:
        """Return how bodies for collision checking are made."""
        return CollisionOptions(self.collision_shape, self.collision_padding, self.frame_prefix)

    def grasp_options(self) -> GraspOptions:
        """Return which grasps are planned."""
        return GraspOptions(self.grasps, self.grasp_target, self.gripper)
