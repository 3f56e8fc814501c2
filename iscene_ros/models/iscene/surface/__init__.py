"""FlexiCubes surface extraction on active cells (arXiv 2308.05371)."""
