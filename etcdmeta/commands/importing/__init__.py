"""Metadata from outside become records: what is to be written, and the commands that write it in steps."""
