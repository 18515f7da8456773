"""Video files: a file -> frames with their times -> the frames wanted -> windows.

The way through it: `reading` opens a file, names what is wrong with it and yields its frames with
their times, with the help of `decoded` (pixels and clock) and `truncation` (is the file whole?);
`frame_folder` does the same for a folder of pictures. `sampling` holds every rule by which frames
are chosen, resized, cropped and put into windows. `windows` cuts them while frames arrive, which
`ahead` reads in a process of its own. `optical_flow` computes the flow between frames, `writing`
writes videos.

NumPy, OpenCV and PyAV; no TensorFlow, and of the package only its errors and files. So a process
that only reads videos starts in a moment and stays small.
"""
