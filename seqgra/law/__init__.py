"""The probability model of a grammar: how examples are drawn."""
