"""The embedded detection dataset: several shapes in a video, each with its movement and boxes."""
