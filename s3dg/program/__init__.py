"""What every program shares, from its first line to its last file.

`startup` comes before TensorFlow is imported, and `entry` begins and ends a program. `flags`,
`number_flags` and `network_fields` define flags and read them; `runtime` sets the devices up.
`workdir` is the folder that a run leaves, `settings` is what its `config.json` holds, `run_files`
names the files that may be in it. `loading` opens networks, and `markdown` writes tables.
"""
