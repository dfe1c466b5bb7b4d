"""One file per check on a run."""
