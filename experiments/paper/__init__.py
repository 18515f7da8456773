"""The paper's experiments.

`experiment` says what one is, `conduct` carries it out, `study` trains the networks that they
share. `results` has the paper's figures, `families` the networks of section 4.2. `accuracy_table`,
`costs`, `cost_report`, `reporting` and `submission` write what comes of it; `dry_run` and
`workload` say what it will take.

Throughout, `study` is the `Study`, `trained` a dict from label to the `Trained` networks of all
seeds, `recipes` a list of `Recipe`, and `this` the `Run` that pictures and files go to.
"""
