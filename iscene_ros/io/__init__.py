"""Reading of frames and writing of results."""
