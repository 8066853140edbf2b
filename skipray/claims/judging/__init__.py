"""What claims judge with: the tables that they read, estimates with errors, parts, and verdicts."""
