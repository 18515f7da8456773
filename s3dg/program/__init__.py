"""What every program shares, from its first line to its last file.

`startup` comes before TensorFlow is imported, `entry` begins and ends a program. `flags`,
`number_flags` and `network_fields` define and read flags, `runtime` sets the devices up. `workdir` is
the folder that a run leaves, `run_files` names what may be in it, `loading` opens networks,
`markdown` and `class_lists` write what reports say.
"""
