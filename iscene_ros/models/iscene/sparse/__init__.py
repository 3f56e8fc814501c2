"""Sparse voxel tensors in plain torch: convolution, resampling and attention."""
