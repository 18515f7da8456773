"""What every program shares, from its first line to its last file.

`startup` comes before TensorFlow is imported, and `entry` begins and ends a program. `flags` and
`number_flags` define flags and read them; `runtime` sets the devices up. `workdir` is the folder
that a run leaves. `loading` opens networks, and `markdown` writes tables.
"""
