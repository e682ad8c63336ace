"""Libraries that models are trained with; each is imported only when used."""
