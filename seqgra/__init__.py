"""seqgra: principled choice of neural network architectures for genomics."""
