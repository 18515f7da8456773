"""Videos -> TFRecord -> clips: everything between a folder of videos and a network's input."""
