"""Something-Something, release 2: a WebM file per video, lists in JSON."""
