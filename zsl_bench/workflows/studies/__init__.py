"""Studies: sets of trainings and evaluations, and the figure that comes of them."""
