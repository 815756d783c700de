"""Figures: their numbers first, as a table, then the drawing of that table."""
