"""UCF-101: 101 classes of human actions in videos of users, in three splits."""
