"""Numbers as others published them, each with its source."""
