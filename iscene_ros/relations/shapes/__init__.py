"""What can be said of shapes: alone, and compared with each other."""
