"""From a score matrix to a result: scores, uncertainty, contamination, files. No torch."""
