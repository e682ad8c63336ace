"""Architectures: layers, loss, optimiser and training, or a baseline."""
