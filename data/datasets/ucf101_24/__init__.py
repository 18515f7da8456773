"""UCF101-24: the 24 classes of UCF-101 whose actors have boxes."""
