"""The files of exports: where they are stored, what they are called, and how one is downloaded.

Only `storage` opens a file, and only `download` sends one. This package decides neither who may
download a file nor when it is deleted.
"""
