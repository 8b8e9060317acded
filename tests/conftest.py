pytest_plugins = ["etcdmeta.testing.plugin"]
