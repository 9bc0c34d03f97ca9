"""The files of exports: where they are stored, what they are called, and how one is downloaded.

`storage` is the only code that opens a file, and `download` the only code that sends one. This
package decides neither who may download a file nor when it is deleted.
"""
