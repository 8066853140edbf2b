"""A folder as a registry, and the user's own modules."""
