"""A sweep as one file, between any two stores, and results from elsewhere as a sweep."""
