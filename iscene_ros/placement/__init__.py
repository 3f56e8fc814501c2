"""From shapes in a cube of unknown scale to metres: see docs/placement.md."""
