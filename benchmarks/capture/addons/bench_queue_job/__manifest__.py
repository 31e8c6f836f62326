{
    "name": "Benchmark: a job for every change",
    "summary": "Delays a job for every contact that is created, changed or deleted",
    "version": "19.0.1.0.0",
    "author": "BridgeCore",
    "license": "LGPL-3",
    "depends": ["queue_job"],
}
