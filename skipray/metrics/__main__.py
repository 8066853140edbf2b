"""`python -m skipray.metrics`: prints docs/metrics.md."""

from skipray.metrics._table import page

print(page(), end="")
