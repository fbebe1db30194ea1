"""`python -m rpd.adapters.cli` is the command `rpd`."""

from rpd.adapters.cli.app import main

if __name__ == "__main__":
    main()
