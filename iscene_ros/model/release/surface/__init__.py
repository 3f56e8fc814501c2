"""From the mesh decoder's features to a surface: FlexiCubes (arXiv 2308.05371) on active cells."""
