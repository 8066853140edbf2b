"""`python -m skipray VERB` is `skipray VERB`."""

from skipray.launch import main

if __name__ == "__main__":
    main()
