"""The report of a sweep: one HTML page, figures for a paper, and the numbers behind them."""

from skipray.report.sweep_answer import sweep_answer
from skipray.report.writing import ReportFiles, write

__all__ = ["ReportFiles", "sweep_answer", "write"]
