"""The graphs of a SavedModel against the network and OpenCV's resize; windows: test_sampling.py."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

import s3dg
from s3dg.saving import endpoints
from tests.s3dg.saving.networks import FORMAT, create_network
from tests.s3dg.small import SMALL, random_clip


def test_frames_are_resized_as_opencv_does_and_cropped_in_the_middle():
    frames = random_clip(3, 90, 70, 3)
    prepared = endpoints.prepare_frames(tf.constant(frames), FORMAT).numpy()
    expected = [cv2.resize(f, (48, 40), interpolation=cv2.INTER_LINEAR)[4:36, 4:44] for f in frames]
    assert np.abs(prepared - np.float32(expected)).max() <= 1
    short = s3dg.VideoFormat(frame_size=None, short_side=40, crop_size=(32, 40))
    prepared = endpoints.prepare_frames(tf.constant(frames), short).numpy()
    resized = [cv2.resize(f, (40, 51), interpolation=cv2.INTER_LINEAR) for f in frames]  # 90/70*40
    expected = np.stack(resized)[:, 9:41]
    assert np.abs(prepared - np.float32(expected)).max() <= 1


def test_an_embedding_is_served_as_such():
    network = create_network(head='embedding', head_temporal_window=1)
    serve, _ = endpoints.create_endpoints(network)['serve']
    video = random_clip(1, 8, 40, 48, 3)
    served = serve(tf.constant(video))
    assert set(served) == {'embedding'}
    expected = network(video[:, :, 4:36, 4:44])
    np.testing.assert_allclose(served['embedding'], expected, rtol=1e-3, atol=1e-4)


def test_flow_network_has_no_jpeg_endpoint():
    network = s3dg.build('s3d_g', channels=2, video_format=FORMAT, **SMALL)
    assert set(endpoints.create_endpoints(network)) == {'serve', 'features'}


def test_too_small_a_video_says_so():
    network_format = s3dg.VideoFormat(frame_size=None, crop_size=(32, 40), evaluation_frames=8)
    with pytest.raises(tf.errors.InvalidArgumentError, match='too small for a crop of 32x40'):
        endpoints.prepare_frames(tf.constant(random_clip(2, 30, 60, 3)), network_format)
