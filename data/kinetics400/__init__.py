"""Kinetics-400."""
