"""A network on disk: the `.keras` file that Keras writes, and the SavedModel that others serve.

`keras_file` and `saved_model` tell whether one can be loaded. `export` writes SavedModels and calls
them; `endpoints` are their graphs.
"""
