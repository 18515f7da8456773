"""Which places and moments of a video speak for a class.

`grad_cam` computes the heat of a network's cells, `cells` says where in a clip, and in a frame of
the video, those cells are, and `video_heat` puts both together for a whole video.
"""
