"""Looking at networks and at what they do: pictures and statistics."""
