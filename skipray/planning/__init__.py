"""What would run, how long it takes, and what fits a budget."""
