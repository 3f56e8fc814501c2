"""The whole scene from what a robot's camera sees: completed object meshes in metres."""

__version__ = "0.1.0"
