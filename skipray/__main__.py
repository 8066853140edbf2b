"""`skipray VERB`, and `python -m skipray VERB`."""

from skipray.terminal.at_start import end_at_signals, refuse_hidden_libraries


def main() -> None:
    """Run the command line and exit with its code; it is imported when its signals have somebody who takes them."""
    end_at_signals()
    refuse_hidden_libraries()
    from skipray.launch import main as run

    run()


if __name__ == "__main__":
    main()
