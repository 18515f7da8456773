"""Video files for tests: made by OpenCV, or by FFmpeg's encoders as people's programs do."""

import fractions
import pathlib
from collections.abc import Sequence

import av
import cv2
import numpy as np

from s3dg.video import reading


def write_with_opencv(path: pathlib.Path, frames, frames_per_second, codec='FFV1') -> None:
    """Writes RGB frames; FFV1 in .avi is lossless."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    fourcc = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, frames_per_second, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()


def numbered_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames that are one gray level each, of their number."""
    return [np.full((height, width, 3), number, np.uint8) for number in range(count)]


LEVELS_APART = 5  # what lossy encoders do to flat frames is much less


def stepped_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames of rising gray levels, which lossy encoders keep apart; at most 48."""
    return [np.full((height, width, 3), 10 + LEVELS_APART * k, np.uint8) for k in range(count)]


def steps_of(frames) -> list[int]:
    """The numbers of frames of `stepped_frames`."""
    return [round((float(np.mean(frame)) - 10) / LEVELS_APART) for frame in frames]


def frame_times(path: pathlib.Path, frames_per_second=None) -> np.ndarray:
    """When the frames of a video begin, in seconds from the start of the file."""
    frames = reading.read_frames(path, frames_per_second)
    return np.array([frames.time for _ in frames])


def write_with_ffmpeg(
    path: pathlib.Path,
    frames: Sequence[np.ndarray],
    frames_per_second: int = 30,
    codec: str = 'libx264',
    *,
    times: Sequence[float] | None = None,
    sound: tuple[str, float] | None = None,
    pixels: str = 'yuv420p',
    interlaced: bool = False,
    options: dict | None = None,
    container_options: dict | None = None,
    container: str | None = None,
    colours: dict | None = None,
) -> None:
    """Writes RGB frames with one of FFmpeg's encoders.

    Args:
      path: the file; its suffix picks the container.
      frames: uint8 (height, width, 3).
      frames_per_second: nominal rate, by which frames follow each other without `times`.
      codec: name of the encoder.
      times: when each frame is shown, in seconds; multiples of a millisecond.
      sound: an encoder and how many seconds of a tone it gets, from 0 on.
      pixels: format that is encoded.
      interlaced: mark the frames as made of two fields, and encode them so.
      options: of the encoder.
      container_options: of the container.
      container: its name, where the suffix does not say it.
      colours: attributes of the stream's codec context (colorspace, color_range).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tick = (
        fractions.Fraction(1, 1000)
        if times is not None
        else fractions.Fraction(1, frames_per_second)
    )
    height, width = frames[0].shape[:2]
    with av.open(str(path), 'w', format=container, options=container_options or {}) as output:
        stream = output.add_stream(codec, rate=frames_per_second, options=options or {})
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context.time_base = tick
        if interlaced:
            context.flags |= (
                av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
            )
        for name, value in (colours or {}).items():
            setattr(context, name, value)
        audio = (
            output.add_stream(sound[0], rate=44100 if sound[0] != 'libopus' else 48000)
            if sound
            else None
        )
        packets = []
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, 'rgb24').reformat(format=pixels)
            picture.pts = number if times is None else round(1000 * times[number])
            picture.time_base = tick
            packets += stream.encode(picture)
        packets += stream.encode()
        if audio is not None:
            packets += _tone(audio, sound[1])
        packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            output.mux(packet)


def _tone(stream, seconds):
    context = stream.codec_context
    size, rate = 1024, context.sample_rate
    resampler = av.AudioResampler(
        context.format, context.layout, rate, frame_size=context.frame_size or 1024
    )
    packets = []
    for number in range(int(seconds * rate / size)):
        wave = np.sin(np.arange(size) * 0.05)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2, 0), 'fltp', 'stereo')
        frame.sample_rate, frame.pts = rate, number * size
        for part in resampler.resample(frame):
            packets += stream.encode(part)
    for part in resampler.resample(None):
        packets += stream.encode(part)
    return packets + stream.encode()


def damage_packet(path: pathlib.Path, number: int) -> None:
    """Makes one packet of the pictures, by its number in the file, one that cannot be decoded."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        place, size = packets[number].pos, packets[number].size
    content = bytearray(path.read_bytes())
    content[place : place + size] = b'\xff' * size
    path.write_bytes(content)
