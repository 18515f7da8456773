"""What the paper's figures show, and the pictures of a run.

`filter_statistics` (Figure 5) and `feature_embedding` (Figure 7) compute. `paper_plots` draws
Figures 4, 5 and 7, with `label_places` for the names beside points; `plots` draws what a run
leaves, and has the function that writes a picture. `detections` draws boxes, `heat` what speaks
for a class.
"""
