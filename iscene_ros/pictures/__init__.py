"""Pictures of scenes, drawn in numpy and Pillow: no OpenGL, no screen."""
