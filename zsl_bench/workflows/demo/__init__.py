"""A demonstration in which one watches a model learn to name classes it never saw."""
