# mypy: ignore-errors
{
    "name": "Benchmark: a job that posts every change",
    "summary": "Delays a job for every contact that is created, which posts it to a webhook",
    "version": "19.0.1.0.0",
    "author": "BridgeCore",
    "license": "LGPL-3",
    "depends": ["bench_push", "queue_job"],
}
