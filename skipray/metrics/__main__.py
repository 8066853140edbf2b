"""`python -m skipray.metrics`: prints the page of metrics, which the documentation's site has too."""

from skipray.metrics import page

print(page(), end="")
