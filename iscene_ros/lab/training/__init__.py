"""Training of iscene-mini on procedural data."""
