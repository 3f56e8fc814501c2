"""Registration of shapes of unknown scale to the depth view, in metres."""
