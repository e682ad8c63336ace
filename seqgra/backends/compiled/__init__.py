"""Compiled kernels for networks whose first layer is a convolution over letters (docs/compiled.md)."""
