"""One file per check, each with its `CHECK`; the suite lists them."""
