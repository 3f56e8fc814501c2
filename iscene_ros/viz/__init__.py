"""Images of scenes and graphs, drawn with numpy and Pillow; no OpenGL, no display."""
