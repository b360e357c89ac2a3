"""`make bench`: every budget of the deck, measured on real processes in a pseudo-terminal."""
