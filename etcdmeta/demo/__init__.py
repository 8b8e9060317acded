"""The main job, played on a real etcd of three members, so that a stranger sees it."""
