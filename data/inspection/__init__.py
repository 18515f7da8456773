"""What a dataset on disk looks like.

`survey` counts, `charts` draws the counts, and `contact_sheet` shows frames, with
`flow_colours` for flow.
"""
