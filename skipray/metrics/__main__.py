"""`python -m skipray.metrics`: the table of metrics, as docs/metrics.md holds it."""

from skipray.metrics._table import table

print(
    "# Metrics\n\nMade by `python -m skipray.metrics`; each row is a file of `skipray/metrics/`. A layer metric's "
    "number in MLflow is of the headline\nphase (batch statistics at initialisation, running ones afterwards) and, of "
    "tensors with more than two axes, of the\nunfolding by samples or outputs.\n"
)
print(table(), end="")
