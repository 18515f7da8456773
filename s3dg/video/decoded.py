"""What FFmpeg's decoder returns: frames made into pixels, and when they are shown."""

import heapq

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from s3dg.errors import VideoError


class Converter:
    """Makes pixels of decoded frames: upright, RGB or BGR."""

    def __init__(self, bgr: bool):
        self._format = av.VideoFormat('bgr24' if bgr else 'rgb24')
        self._reformatter = VideoReformatter()
        self._turns = {}  # how to make a picture upright, by the rotation that its frame states

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 (height, width, 3)."""
        try:
            # One thread: for a frame, several cost more than they bring.
            converted = self._reformatter.reformat(frame, format=self._format, threads=1)
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f'frames of format {frame.format.name} cannot be converted ({error})'
            ) from None
        pixels = converted.to_ndarray()
        if pixels.shape != (frame.height, frame.width, 3) or pixels.dtype != np.uint8:
            raise VideoError(
                f'found a picture {pixels.dtype} {pixels.shape} where one of'
                f' {frame.height}x{frame.width} was decoded'
            )
        rotation = frame.rotation
        if rotation not in self._turns:
            self._turns[rotation] = _turn(frame)
        across, columns, rows = self._turns[rotation]
        if across:
            pixels = pixels.transpose(1, 0, 2)
        return pixels if columns == rows == 1 else pixels[::rows, ::columns]


def _turn(frame: av.VideoFrame) -> tuple[bool, int, int]:
    """What makes a picture upright: whether rows become columns, steps through columns and rows."""
    matrix = frame.side_data.get('DISPLAYMATRIX')
    if matrix is None or frame.rotation % 90:
        return False, 1, 1
    # Where a step to the right and one down in the stored picture lead on the screen.
    right_x, right_y, _, down_x, down_y = np.frombuffer(matrix, np.int32)[:5]
    across = bool(frame.rotation % 180)
    x, y = (down_x, right_y) if across else (right_x, down_y)
    return across, -1 if x < 0 else 1, -1 if y < 0 else 1


class DecodedPicture:
    """A decoded frame whose pixels are converted when, and if, they are asked for."""

    __slots__ = ('_convert', '_frame')

    def __init__(self, frame: av.VideoFrame, convert: Converter):
        self._frame, self._convert = frame, convert

    @property
    def shape(self) -> tuple[int, int, int]:
        frame = self._frame
        turned = frame.rotation % 180 == 90
        return (frame.width, frame.height, 3) if turned else (frame.height, frame.width, 3)

    def pixels(self) -> np.ndarray:
        """uint8 (height, width, 3), upright."""
        return self._convert(self._frame)


class Clock:
    """When frames are shown, in seconds of the file's clock.

    For H.264 in AVI, FFmpeg knows only the order in which packets are decoded. With B-frames the
    pictures are shown in another order: the first one shown has the smallest time, and so on.
    Giving each packet's time to the picture that comes with it would mix them up.
    """

    def __init__(self, tick: float, stated: bool):
        """Takes the seconds of a unit of time, and whether the file says when frames are shown."""
        self._tick, self._stated = tick, stated
        self._waiting = []  # times of decoded packets whose frames have not been shown; a heap

    def decoded(self, packet: av.Packet) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if not self._stated and stamp is not None:
            heapq.heappush(self._waiting, stamp)

    def stamp(self, frame: av.VideoFrame) -> float | None:
        """None where the file does not say."""
        stamp, waiting = frame.pts if frame.pts is not None else frame.dts, self._waiting
        # At a key frame those of all packets before it have been shown, or never will be.
        while waiting and frame.key_frame and stamp is not None and waiting[0] < stamp:
            heapq.heappop(waiting)
        if waiting:
            stamp = heapq.heappop(waiting)
        return None if stamp is None else stamp * self._tick
