"""Floor 2: how a record stands in etcd.

Record ↔ key (`keys`), model → protobuf bytes (`encoding`), bytes → model (`decoding`), and the words of a transaction
and of etcd's answers (`transaction`). `pb` is generated from ``schemas/`` by ``scripts/gen-proto``. It decides nothing:
what may be written, and when, is the commands' to say. No I/O: it makes and reads bytes, and sends none.
"""
