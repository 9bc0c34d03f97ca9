"""Store, name and send the files of exports.

Only `storage` opens a file, and only `download` sends one. This package decides neither who may
download a file nor when it is deleted.
"""
