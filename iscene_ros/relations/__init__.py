"""The scene graph of a completed scene: support, containment, contact, proximity, occlusion."""
