"""The released I-Scene on its TRELLIS base (arXiv 2512.13683, 2412.01506), in plain torch."""
