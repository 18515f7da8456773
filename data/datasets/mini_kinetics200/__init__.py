"""Mini-Kinetics-200: the paper's subset of Kinetics-400."""
