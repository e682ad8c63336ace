"""Import of the XML data definitions that seqgra 0.0.x was published with."""
