"""The live pages: runs as they train, answers side by side, comparison, blind review."""
