"""What the verbs print, and what a launch shows while it runs."""
