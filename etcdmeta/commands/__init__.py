"""Floor 2: what is to be done: a command, the picture and the time → a `Plan`, or a typed refusal.

One module per noun, each command a frozen model with a pure ``plan``; a plan lists what a transaction has to compare
and to write, in relative keys (`plan`). Placement is a pure function here, too. Ids and the time are inputs: a command
does no I/O and asks no clock and no chance, so that the same command on the same picture is always the same plan.
"""
