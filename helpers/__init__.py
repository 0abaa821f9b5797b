"""What two notebooks of the course need: set-up, data, training, plots, claims."""
