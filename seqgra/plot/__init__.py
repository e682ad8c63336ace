"""Figures and the report; functions over arrays and tables, none reads a noun."""
