"""What the tracking store holds, read back: the ledger, and finished trials as tables."""
