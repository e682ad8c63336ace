"""What figures are drawn with; functions over arrays and tables, none reads a result."""
