"""Whether a video file is cut off, judged by what the file itself says about its length.

A file whose download or copy broke off often plays, up to where it ends. Two things are evidence of
it: the length that the picture stream states, and a box (chunk, cluster, page) that runs past the
end of the file. A number of frames or a duration that FFmpeg estimates is no evidence, nor is the
length of the sound. MPEG's transport and program streams hold no evidence; rare containers (.mxf,
.nut, .ivf, .y4m, .apng, .dv) are not looked into.
"""

import dataclasses
import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

from s3dg.errors import VideoError

# Of the pictures, or where the file states no length of those, of its bytes. Less is missing where
# the last frames were dropped when it was made, or an index behind the pictures is cut off.
MOST_MISSING = 0.1

_MOST_BOXES = 200_000  # a file of millions of empty ones would take hours


@dataclasses.dataclass(frozen=True)
class Cut:
    """A file that is shorter than it says."""

    size: int  # bytes that there are
    expected: int  # bytes that there are at least in the whole file
    # Whether `expected` is the size of the whole file. It is not that of an mp4 of movie fragments,
    # whose header states no length.
    whole: bool

    @property
    def bytes_missing(self) -> bool:
        return self.size < self.expected


def check(cut: Cut | None, container: str, stream, end: float, seconds: float) -> str:
    """Compares what was read of a file with what it says of its length.

    Args:
      cut, container: what `measure` says of the file, and FFmpeg's name of its format.
      stream: the PyAV stream of its pictures.
      end, seconds: when the last picture that was read ends, from the file's start and from its
        first picture.

    Returns:
      A description of the little that is missing; empty where nothing is.

    Raises:
      VideoError: if more than MOST_MISSING of it is missing, saying how much.
    """
    stated = _stated_seconds(container, stream, cut)
    if stated is not None:
        there = max(end, seconds)
        found = f'its pictures end after {there:.1f} of {stated:.1f} seconds'
        if there < stated * (1 - MOST_MISSING):
            raise VideoError(f'truncated: {found}, {1 - there / stated:.0%} of it is missing')
        return f'cut off, {found}' if cut and cut.bytes_missing and there < stated else ''
    if cut is None or not cut.bytes_missing:
        return ''
    if not cut.whole:
        raise VideoError(
            f'truncated: its last block goes on to byte {cut.expected:,}, the file ends with byte'
            f' {cut.size:,}'
        )
    found = f'{cut.size:,} of {cut.expected:,} bytes are there'
    missing = 1 - cut.size / cut.expected
    if missing <= MOST_MISSING:
        return f'cut off, {found}'
    raise VideoError(f'truncated: {found}, {missing:.0%} of it is missing')


def measure(path: str | os.PathLike, container: str) -> Cut | None:
    """What the boxes of a file of the format that FFmpeg names say of its size, if anything."""
    walk = _WALKS.get(container)
    if walk is None:
        return None
    with open(path, 'rb') as file:
        return walk(file, os.path.getsize(path))


def check_index(path: str | os.PathLike) -> None:
    """Raises VideoError for what begins like an mp4 and has no whole "moov" box, its index.

    Most programs write that box last, so it is what a download that broke off lacks.
    """
    size = os.path.getsize(path)
    with open(path, 'rb') as file:
        boxes = list(_boxes(file, size))
    if not boxes or boxes[0][0] != b'ftyp':
        return
    if b'moov' not in {kind for kind, end in boxes if end <= size}:
        cut = boxes[-1][1] > size
        there = f', {size:,} of at least {boxes[-1][1]:,} bytes are there' if cut else ''
        raise VideoError(f'truncated mp4: its index ("moov" atom) is missing{there}')


def _stated_seconds(container, stream, cut: Cut | None) -> float | None:
    """The length of a picture stream as the file states it; None where it does not."""
    duration = stream.duration and float(stream.duration * stream.time_base)
    # Of an .avi, FFmpeg changes what its header states to what it finds.
    if 'mp4' in container.split(',') and (cut is None or cut.whole):
        return duration or None
    # Programs that copy a part of a stream may leave this tag as it was. So it only says how much
    # is missing where the bytes show that something is.
    if 'matroska' in container and cut and cut.bytes_missing:
        return _seconds_of_tag(stream.metadata.get('DURATION', ''))
    return None


def _seconds_of_tag(text: str) -> float | None:
    """Of "HH:MM:SS.fraction"."""
    try:
        hours, minutes, seconds = map(float, text.split(':'))
    except ValueError:
        return None
    total = 3600 * hours + 60 * minutes + seconds
    return total if 0 < total < float('inf') else None


# What a file of ISO base media (mp4, mov, 3gp) is made of; behind anything else may lie what other
# programs have appended.
_BOXES = set(
    b'ftyp styp moov moof mdat free skip wide udta uuid meta mfra sidx ssix pdin prft emsg pnot '
    b'PICT junk'.split()
)


def _boxes(file: BinaryIO, size: int):
    """Yields (kind, end) of the boxes of a file; the last end may lie past the file's."""
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return
        length, kind = int.from_bytes(header[:4], 'big'), header[4:8]
        if kind not in _BOXES:
            return
        if length == 1:
            length = int.from_bytes(header[8:16], 'big')
        if length < 8:  # 0: to the end of the file
            yield kind, size
            return
        position += length
        yield kind, position
        if position >= size:
            return


def _walk_boxes(file: BinaryIO, size: int) -> Cut | None:
    boxes = list(_boxes(file, size))
    if not boxes:
        return None
    return Cut(size, boxes[-1][1], whole=all(kind != b'moof' for kind, _ in boxes))


# Elements of Matroska and WebM, by their identifiers.
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_IN_SEGMENT = {
    _CLUSTER,
    0x114D9B74,  # SeekHead
    0x1549A966,  # Info
    0x1654AE6B,  # Tracks
    0x1C53BB6B,  # Cues
    0x1254C367,  # Tags
    0x1941A469,  # Attachments
    0x1043A770,  # Chapters
    0xEC,  # Void
    0xBF,  # CRC-32
}
_IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854, 0xEC, 0xBF}  # Timestamp, blocks, ...


def _element(file: BinaryIO, position: int) -> tuple[int, int, int | None] | None:
    """(identifier, start of its content, length or None if unknown); None at the file's end."""
    file.seek(position)
    header = file.read(12)
    if not header or not header[0]:
        return None
    width = 9 - header[0].bit_length()
    identifier = int.from_bytes(header[:width], 'big')
    rest = header[width:]
    if width > 4 or not rest or not rest[0]:
        return None
    width_of_length = 9 - rest[0].bit_length()
    if len(rest) < width_of_length:
        return None
    bits = 7 * width_of_length
    length = int.from_bytes(rest[:width_of_length], 'big') & (1 << bits) - 1
    unknown = length == (1 << bits) - 1
    return identifier, position + width + width_of_length, None if unknown else length


def _walk_elements(file: BinaryIO, size: int) -> Cut | None:
    position = 0
    for _ in range(_MOST_BOXES):
        element = _element(file, position)
        if element is None:
            break
        identifier, start, length = element
        if identifier == _SEGMENT and length is not None:
            return Cut(size, start + length, whole=True)
        if identifier not in _IN_SEGMENT | _IN_CLUSTER | {_EBML, _SEGMENT}:
            break
        # Of unknown length are the segment and the clusters of a recording that goes on: in them.
        position = start if length is None else start + length
        if position >= size:
            break
    return Cut(size, position, whole=False) if position else None


def _walk_riff(file: BinaryIO, size: int) -> Cut | None:
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b'RIFF':
            break
        length = int.from_bytes(header[4:], 'little')
        position += 8 + length + length % 2
    # The last byte, of padding, may lack.
    return Cut(size, position - 1 if position == size + 1 else position, whole=True)


def _walk_flv(file: BinaryIO, size: int) -> Cut | None:
    header = file.read(9)
    if len(header) < 9:
        return None
    position = int.from_bytes(header[5:9], 'big') + 4  # behind each tag stands its size
    # "onMetaData", the first tag of most files, states the size of the file.
    file.seek(position)
    found = re.match(rb'\x12.*?\x00\x08filesize\x00(.{8})', file.read(11 + 4096), re.DOTALL)
    (stated,) = struct.unpack('>d', found[1]) if found else (0,)
    if 0 < stated < 2**62:
        return Cut(size, int(stated), whole=True)
    for _ in range(_MOST_BOXES):
        file.seek(position)
        tag = file.read(11)
        if len(tag) < 11 or tag[0] & 0x1F not in (8, 9, 18):
            break
        position += 11 + int.from_bytes(tag[1:4], 'big') + 4
    return Cut(size, position, whole=False)


_ASF_HEADER = bytes.fromhex('3026b2758e66cf11a6d900aa0062ce6c')
_ASF_FILE_PROPERTIES = bytes.fromhex('a1dcab8c47a9cf118ee400c00c205365')


def _walk_asf(file: BinaryIO, size: int) -> Cut | None:
    """The file's size that the object "file properties" states."""
    header = file.read(2**16)
    place = header.find(_ASF_FILE_PROPERTIES)
    if header[:16] != _ASF_HEADER or place < 0 or len(header) < place + 92:
        return None
    stated, flags = struct.unpack_from('<Q40xI', header, place + 40)
    broadcast = flags & 1  # then no field of it is known
    return None if broadcast or not stated else Cut(size, stated, whole=True)


def _walk_ogg(file: BinaryIO, size: int) -> Cut | None:
    """Where the last page ends."""
    begin = max(size - 2**17, 0)  # a page has up to 65,307 bytes
    file.seek(begin)
    tail = file.read()
    place = tail.rfind(b'OggS\0')
    if place < 0:
        return None
    page = tail[place:]
    segments = page[26] if len(page) > 26 else 1
    table = page[27 : 27 + segments]
    content = sum(table) if len(table) == segments else 1
    return Cut(size, begin + place + 27 + segments + content, whole=False)


def _walk_gif(file: BinaryIO, size: int) -> Cut | None:
    header = file.read(13)
    if len(header) < 13:
        return None
    position = 13 + _colour_table(header[10])
    for _ in range(_MOST_BOXES):
        file.seek(position)
        kind = file.read(1)
        if kind == b',':  # a picture
            descriptor = file.read(9)
            if len(descriptor) < 9:
                return Cut(size, position + 10, whole=False)
            position += 10 + _colour_table(descriptor[8]) + 1
        elif kind == b'!':  # an extension
            position += 2
        else:  # the end, or nothing that is known
            break
        position = _behind_blocks(file, position)
    return Cut(size, position, whole=False)


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(file: BinaryIO, position: int) -> int:
    """Where a sequence of blocks of up to 255 bytes ends, which an empty one closes."""
    file.seek(position)
    while length := file.read(1):
        position += 1 + length[0]
        if not length[0]:
            return position
        file.seek(position)
    return position + 1


_WALKS: dict[str, Callable[[BinaryIO, int], Cut | None]] = {
    'mov,mp4,m4a,3gp,3g2,mj2': _walk_boxes,
    'matroska,webm': _walk_elements,
    'avi': _walk_riff,
    'flv': _walk_flv,
    'asf': _walk_asf,
    'ogg': _walk_ogg,
    'gif': _walk_gif,
}
