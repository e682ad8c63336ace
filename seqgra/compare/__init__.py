"""The comparison of a grid, whole or partial: its cells, tables, statistics and decisions."""
