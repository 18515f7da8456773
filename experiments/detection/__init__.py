"""From flags to a trained and evaluated detector (section 5.3).

`presets` has the set-ups, `plan` all that decides a detector, `run` trains one in a folder and
`evaluating` says what it finds there. `report` has the tables, `dry_run` what a training takes.
"""
