"""Prepares a variant's database. Runs inside Odoo's shell."""

from __future__ import annotations

from typing import Any

from benchmarks.push.variants import VARIANTS


def prepare(env: Any, variant: str, url: str) -> str:
    """Have contacts told to the endpoint; returns an administrator's API key."""
    VARIANTS[variant].prepare(env, url)
    admin = env.ref("base.user_admin")
    # sudo: only a system administrator may make keys that do not expire
    keys = env["res.users.apikeys"].with_user(admin).sudo()
    key: str = keys._generate("rpc", "benchmark", None)
    env.cr.commit()
    return key
