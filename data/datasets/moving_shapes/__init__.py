"""The embedded dataset: generated videos whose classes need time to tell apart."""
