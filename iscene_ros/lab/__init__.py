"""Synthetic data, training, evaluation and benchmarks; not needed on a robot."""
