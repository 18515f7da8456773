"""Action detection: Faster R-CNN with the features of a clip (section 5.3).

`network` is the detector. It takes its values from `config`, its anchors from `anchors`, what is
cut of a clip's map from `roi_pooling`, and what it answers from `proposals`. `targets` says which
boxes it is trained on, and `losses` how far off they are. `boxes` has what all of these do with
boxes, which are y_min, x_min, y_max, x_max in pixels throughout.
"""
