"""Grammars: what a user may write, what it means, what can be wrong with it."""
