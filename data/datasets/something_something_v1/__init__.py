"""Something-Something, release 1: frames of 12 a second as JPEG images, a folder per video."""
