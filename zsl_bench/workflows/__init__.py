"""Workflows that put the parts together: data, trainer, evaluation and figures in one go."""
