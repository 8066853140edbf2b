"""Tracked runs become series, limits and verdicts; closed forms stand beside what was measured."""
