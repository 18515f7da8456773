"""What networks tell of videos: classes as a whole and over time, features, distances of sets.

`classification` asks a network about a video, and `segments` makes pieces of what it answers along
it. `extraction` takes features of many videos at once, and `frechet` compares two sets of features.
"""
