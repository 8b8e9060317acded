"""The command line. It knows `etcdmeta.store`, never etcd; one module per noun of the tree (see `tree`)."""
