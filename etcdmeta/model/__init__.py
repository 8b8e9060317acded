"""Floor 1: what the metadata are, and what can be asked of them.

Frozen pydantic models of the records (`entities`), InfluxDB's rules on names, durations, times and shard groups as pure
functions, the table of owner transitions (`owners`), and `Snapshot` with its views: the whole picture at one revision,
over tables that share their structure with those before. It imports `etcdmeta.errors` and nothing else of etcdmeta;
it knows neither keys nor bytes (a snapshot is given its decoder), and has no I/O, threads, clock or chance.
"""
