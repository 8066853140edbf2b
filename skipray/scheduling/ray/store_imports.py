"""What workers on this machine import besides where they read and write runs themselves, as those that measure do."""

from skipray import tracking

tracking.import_client()
