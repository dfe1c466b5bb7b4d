"""What the claims are measured with; `make bench` runs all of it."""
