"""One training program, and three ways to start it on many machines: read `train.py` first."""
