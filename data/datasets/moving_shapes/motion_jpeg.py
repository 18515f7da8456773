"""Writes Motion JPEG .mp4 files: every frame stands alone.

OpenCV's own .mp4 codecs (mp4v, VP90) predict a frame from the ones before it and leave a trail
behind whatever moves: measured on a moving disc of 96x96 pixels, up to 31 levels of difference
between a video and its mirror image in time. A dataset whose classes differ by nothing but the
direction of time may not carry such a mark in single frames. OpenCV writes Motion JPEG into .avi
only without complaint, hence this small ISO base media (ISO/IEC 14496-12) writer.
"""

import os
import pathlib
import struct
from collections.abc import Iterable

import numpy as np

from s3dg import files
from s3dg.errors import VideoError
from s3dg.video import writing

# Object type of JPEG streams, registered at mp4ra.org and named in ISO/IEC 14496-1, table 5.
_JPEG_OBJECT = 0x6C
_IDENTITY_MATRIX = struct.pack('>9I', 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def write_motion_jpeg(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    frames_per_second: int,
    quality: int = 90,
) -> None:
    """Writes frames as an .mp4 file of JPEG pictures, which appears under its name only when
    complete.

    Args:
      path: file to write; missing parent folders are made.
      frames: at least one uint8 array (height, width, 3), RGB, all of one size.
      frames_per_second: whole frames a second.
      quality: JPEG quality, 1 to 100.

    Raises:
      VideoError: if there are no frames, or frames differ in size or type from the first.
    """
    path = pathlib.Path(path)
    pictures, shape = [], None
    for frame in frames:
        shape = frame.shape if shape is None else shape
        if frame.dtype != np.uint8 or frame.shape != shape or frame.ndim != 3:
            raise VideoError(f'found a frame {frame.dtype} {frame.shape}, expected uint8 {shape}')
        pictures.append(writing.encode_jpeg(frame, quality))
    if not pictures:
        raise VideoError('there are no frames to write')
    kind = _box(b'ftyp', b'isom', struct.pack('>I', 512), b'isommp41')
    media = _box(b'mdat', *pictures)
    index = _index(pictures, len(kind) + 8, shape[0], shape[1], frames_per_second)
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.unfinished(path) as temporary:
        temporary.write_bytes(kind + media + index)


def _box(name: bytes, *contents: bytes) -> bytes:
    content = b''.join(contents)
    return struct.pack('>I', 8 + len(content)) + name + content


def _full_box(name: bytes, *contents: bytes, flags: int = 0) -> bytes:
    return _box(name, struct.pack('>I', flags), *contents)


def _index(pictures: list[bytes], first_byte: int, height: int, width: int, rate: int) -> bytes:
    """The "moov" atom: one track of equally long samples in a single chunk, with `rate` ticks a
    second."""
    ticks = len(pictures)
    sizes = struct.pack(f'>{len(pictures)}I', *map(len, pictures))
    samples = _box(
        b'stbl',
        _full_box(b'stsd', struct.pack('>I', 1), _sample_entry(height, width)),
        _full_box(b'stts', struct.pack('>III', 1, len(pictures), 1)),
        _full_box(b'stsc', struct.pack('>IIII', 1, 1, len(pictures), 1)),
        _full_box(b'stsz', struct.pack('>II', 0, len(pictures)), sizes),
        _full_box(b'stco', struct.pack('>II', 1, first_byte)),
    )
    reference = _full_box(b'dref', struct.pack('>I', 1), _full_box(b'url ', flags=1))
    information = _box(
        b'minf', _full_box(b'vmhd', bytes(8), flags=1), _box(b'dinf', reference), samples
    )
    media = _box(
        b'mdia',
        _full_box(b'mdhd', struct.pack('>IIIIHH', 0, 0, rate, ticks, 0x55C4, 0)),  # 0x55C4: "und"
        _full_box(b'hdlr', bytes(4), b'vide', bytes(12), b'VideoHandler\0'),
        information,
    )
    track = _full_box(
        b'tkhd',
        struct.pack('>IIIII', 0, 0, 1, 0, ticks),
        bytes(16),
        _IDENTITY_MATRIX,
        struct.pack('>II', width << 16, height << 16),
        flags=3,  # enabled, part of the presentation
    )
    movie = _full_box(
        b'mvhd',
        struct.pack('>IIIIIH', 0, 0, rate, ticks, 0x10000, 0x100),
        bytes(10),
        _IDENTITY_MATRIX,
        bytes(24),
        struct.pack('>I', 2),
    )
    return _box(b'moov', movie, _box(b'trak', track, media))


def _sample_entry(height: int, width: int) -> bytes:
    decoder = _descriptor(
        4, struct.pack('>BB', _JPEG_OBJECT, 0x11), bytes(11)
    )  # 0x11: visual stream
    stream = _descriptor(3, struct.pack('>HB', 1, 0), decoder, _descriptor(6, b'\x02'))
    return _box(
        b'mp4v',
        bytes(6),
        struct.pack('>H', 1),
        bytes(16),
        struct.pack('>HHIIIH', width, height, 72 << 16, 72 << 16, 0, 1),
        bytes(32),
        struct.pack('>Hh', 24, -1),
        _full_box(b'esds', stream),
    )


def _descriptor(tag: int, *contents: bytes) -> bytes:
    content = b''.join(contents)
    return struct.pack('>BB', tag, len(content)) + content
