"""What is to be run, one trial at a time, and what came of it. Knows no Ray; only `studies.py` imports optuna."""
