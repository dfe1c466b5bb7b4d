"""One file per cause, each with its `CHECK`; the suite lists them."""
