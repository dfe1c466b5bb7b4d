"""python -m doneness."""

from doneness.cli.main import entry

if __name__ == "__main__":
    entry()
