"""Floor 3: the local picture, and how it stays current.

A listing → snapshot (`loader`), a revision on top of one → the next one and its changes (`apply`), the difference of
two (`listing`), and the sans-IO machine that follows etcd (`machine`): inputs in, actions out, the time as an argument.
`follower.Follower` is what a driver needs, with the shapes in `inputs` and `actions`; `changes.Change` is what
listeners get. No threads, no clock, no gRPC: whoever drives it has those.
"""
