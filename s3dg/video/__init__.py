"""Video files: a file -> frames with their times -> the frames wanted -> windows.

The way through it: `reading` opens a file, names what is wrong with it and gives its frames with
their times, with the help of `decoded` (pixels and clock) and `truncation` (is the file whole?);
`frame_folder` does so for a folder of pictures. `sampling` holds every rule by which
frames are chosen, resized, cropped and put into windows. `windows` joins the two for a file that is
too long to hold. `optical_flow` is what is computed of frames, `writing` what is written.

NumPy, OpenCV and PyAV; no TensorFlow, and nothing of the rest of the package but its errors and
its files, so a process that only reads videos starts in a moment and stays small.
"""
