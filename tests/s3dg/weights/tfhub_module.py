"""TensorFlow Hub's I3D in plain TensorFlow 1, saved as its modules are, with given variables."""

import tensorflow as tf

v1 = tf.compat.v1

SCOPE = 'RGB/inception_i3d'
BLOCKS = {3: 'bc', 4: 'bcdef', 5: 'bc'}


class _Graph:
    """The graph's layers; variables are made under their names when a layer asks for them."""

    def __init__(self, arrays):
        self.arrays = arrays

    def variable(self, name):
        return v1.get_variable(name, initializer=self.arrays[name], use_resource=False)

    def unit(self, x, name, stride=1):
        kernel = self.variable(f'{SCOPE}/{name}/conv_3d/w')
        x = tf.nn.conv3d(x, kernel, [1, stride, stride, stride, 1], 'SAME')
        mean, variance, beta = (
            self.variable(f'{SCOPE}/{name}/batch_norm/{leaf}')
            for leaf in ('moving_mean', 'moving_variance', 'beta')
        )
        return tf.nn.relu((x - mean) / tf.sqrt(variance + 1e-3) + beta)

    def block(self, x, name):
        third = '0a_3x3' if name == 'Mixed_5b' else '0b_3x3'
        pooled = tf.nn.max_pool3d(x, 3, 1, 'SAME')
        branches = [
            self.unit(x, f'{name}/Branch_0/Conv3d_0a_1x1'),
            self.unit(
                self.unit(x, f'{name}/Branch_1/Conv3d_0a_1x1'), f'{name}/Branch_1/Conv3d_0b_3x3'
            ),
            self.unit(
                self.unit(x, f'{name}/Branch_2/Conv3d_0a_1x1'), f'{name}/Branch_2/Conv3d_{third}'
            ),
            self.unit(pooled, f'{name}/Branch_3/Conv3d_0b_1x1'),
        ]
        return tf.concat(branches, -1)

    def logits(self, x):
        x = self.unit(x, 'Conv3d_1a_7x7', stride=2)
        x = tf.nn.max_pool3d(x, [1, 3, 3], [1, 2, 2], 'SAME')
        x = self.unit(self.unit(x, 'Conv3d_2b_1x1'), 'Conv3d_2c_3x3')
        x = tf.nn.max_pool3d(x, [1, 3, 3], [1, 2, 2], 'SAME')
        for stage, letters in BLOCKS.items():
            if stage > 3:
                x = tf.nn.max_pool3d(x, 3 if stage == 4 else 2, 2, 'SAME')
            for letter in letters:
                x = self.block(x, f'Mixed_{stage}{letter}')
        x = tf.nn.avg_pool3d(x, [2, 7, 7], 1, 'VALID')
        head = f'{SCOPE}/Logits/Conv3d_0c_1x1/conv_3d'
        x = tf.nn.conv3d(x, self.variable(f'{head}/w'), [1] * 5, 'SAME')
        x = x + self.variable(f'{head}/b')
        return tf.reduce_mean(tf.squeeze(x, [2, 3]), 1)


def save(arrays, folder):
    """Saves the module; its signature 'default' takes clips in [-1, 1] and gives logits."""
    with tf.Graph().as_default(), v1.Session() as session:
        frames = v1.placeholder('float32', [None, None, 224, 224, 3], name='input_frames')
        logits = _Graph(arrays).logits(frames)
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({'rgb': frames}, {'default': logits})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, [], {'default': signature})
        builder.save()
