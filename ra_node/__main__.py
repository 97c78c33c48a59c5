"""Lets `python -m ra_node` do what the command `ra-node` does."""

from ra_node.cli.app import main

if __name__ == "__main__":
    main()
