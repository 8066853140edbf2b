"""Which settings and which depths are tried next, and whether the search was the same for every cell."""
