"""Videos at their own speed: which frames come, and when they were shown."""

import http.server
import threading
import time

import numpy as np
import pytest

from s3dg.errors import VideoError
from s3dg.video import ahead, live, sources
from tests import live_streams, video_files


def _play(source, **options):
    """Frames, when each was shown, and when it came."""
    playing = sources.read_frames(source, plays=True, **options)
    return zip(*((frame, playing.shown, time.monotonic()) for frame in playing), strict=True)


def test_a_file_plays_at_its_speed(tmp_path):
    path = tmp_path / 'v.avi'
    video_files.write_with_opencv(path, video_files.numbered_frames(20), 25)
    frames, shown, came = _play(path)
    assert [int(frame[0, 0, 0]) for frame in frames] == [*range(20)]
    np.testing.assert_allclose(np.subtract(shown, shown[0]), np.arange(20) / 25, atol=1e-6)
    assert np.min(np.subtract(came, shown)) >= 0  # none before a viewer would see it
    assert np.median(np.subtract(came, shown)) < 0.1


def test_a_frame_that_resampling_takes_is_shown_with_its_picture(tmp_path):
    """At 10 a second frame k is what is seen at (k + 0.5) / 10 s, that is picture 2.5 k + 1.25."""
    path = tmp_path / 'v.avi'
    video_files.write_with_opencv(path, video_files.numbered_frames(20), 25)
    frames, shown, _ = _play(path, frames_per_second=10.0)
    pictures = [1, 3, 6, 8, 11, 13, 16, 18]
    assert [int(frame[0, 0, 0]) for frame in frames] == pictures
    expected = (np.array(pictures) - pictures[0]) / 25
    np.testing.assert_allclose(np.subtract(shown, shown[0]), expected, atol=1e-6)


def test_a_folder_of_frames_plays_at_the_rate_given(tmp_path):
    import cv2

    for number in range(6):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((8, 8, 3), number, 'uint8'))
    frames, shown, _ = _play(tmp_path, folder_rate=20.0)
    assert [int(frame[0, 0, 0]) for frame in frames] == [*range(6)]
    np.testing.assert_allclose(np.subtract(shown, shown[0]), np.arange(6) / 20, atol=1e-6)


@pytest.mark.parametrize('codec', ['libx264', 'libx265', 'mpeg2video'])
def test_frames_of_a_stream_are_shown_when_they_are_sent(codec):
    """MPEG-TS hands a frame over two frames, 80 ms, after it was sent."""
    parts = live_streams.encode(video_files.stepped_frames(40), codec=codec)
    with live_streams.sent(parts) as (address, sent), ahead.Reader() as reader:
        playing = next(reader.videos([address], 40, plays=True))
        found = [(frame, playing.time, playing.shown) for frame in playing]
    frames, times, shown = zip(*found, strict=True)
    assert video_files.steps_of(frames) == [*range(40)]
    np.testing.assert_allclose(times, np.arange(40) / 25, atol=1e-3)
    late = np.subtract(shown, sent[:40])
    assert abs(np.median(late)) < 0.02


def test_a_stream_that_falls_silent_is_told(monkeypatch):
    monkeypatch.setattr(live, 'PATIENCE', 0.5)
    silent = pytest.raises(VideoError, match='^nothing came from it for 0.5 seconds$')
    with live_streams.sent([], hangs=True) as (address, _), silent:
        next(sources.read_frames(address, plays=True))
    parts = live_streams.encode(video_files.stepped_frames(20))
    seen = []
    with live_streams.sent(parts[:-1], hangs=True) as (address, _), silent:
        seen.extend(sources.read_frames(address, plays=True))
    assert 15 <= len(seen) < 20  # what was not whole by then is lost


@pytest.mark.parametrize(
    ('source', 'reason'),
    [
        ('nothing.mp4', 'file not found'),
        ('/dev/null', 'it cannot be opened as a camera: Inappropriate ioctl for device'),
        ('/dev/nothing', 'file not found'),
        ('tcp://127.0.0.1:9', 'it cannot be opened as a stream: Connection refused'),
        ('rtsp://127.0.0.1:9/a', 'it cannot be opened as a stream: Connection refused'),
        ('tcp://127.0.0.1', 'it cannot be opened as a stream: a mistake in the address'),
        ('foo://a', 'found an address of the scheme foo, expected http, https, '),
        ('file:///etc/passwd', 'found an address of the scheme file, expected http, '),
        ('concat:a.ts|b.ts', 'file not found'),
    ],
)
def test_sources_that_cannot_be_opened(source, reason):
    with pytest.raises(VideoError, match=f'^{reason}'):
        next(sources.read_frames(source, plays=True))


def test_a_list_of_other_addresses_is_not_followed():
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header('Content-Type', 'application/vnd.apple.mpegurl')
            self.end_headers()
            self.wfile.write(b'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/other.ts\n')

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(VideoError, match='a list of other addresses$'):
            next(sources.read_frames(f'http://127.0.0.1:{server.server_port}/a.m3u8', plays=True))
    finally:
        server.shutdown()
        server.server_close()
    assert set(asked) == {'/a.m3u8'}


def test_addresses_are_refused_where_nothing_plays():
    with pytest.raises(VideoError, match='file not found'):
        next(sources.read_frames('tcp://127.0.0.1:9'))
