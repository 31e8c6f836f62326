# mypy: ignore-errors
{
    "name": "Benchmark: when contacts were committed",
    "summary": "Notes the moment after each commit that changes contacts, and can keep crons busy",
    "version": "19.0.1.0.0",
    "author": "BridgeCore",
    "license": "LGPL-3",
    "depends": ["contacts"],
    "data": ["data/ir_cron.xml"],
}
