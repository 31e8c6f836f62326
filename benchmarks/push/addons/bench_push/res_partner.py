# mypy: ignore-errors
import os
import time
from pathlib import Path

from odoo import api, models

_KEY = "bench_push.ids"

#: A folder of the benchmark: what was committed is noted in it, and who is busy
_FOLDER = Path(os.environ.get("BENCH_PUSH_FOLDER", ""))
#: Seconds; nobody works longer, also if nobody says stop
_LONGEST_WORK = 90


class ResPartner(models.Model):
    _inherit = "res.partner"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._bench_note_commit()
        return records

    def write(self, vals):
        result = super().write(vals)
        self._bench_note_commit()
        return result

    def _bench_note_commit(self):
        """Note the moment after this transaction's commit, before any other hook has run."""
        hooks = self.env.cr.postcommit
        if _KEY not in hooks.data:
            ids = hooks.data[_KEY] = set()
            # `add` would put it behind what others have added, who may send from there.
            hooks._funcs.appendleft(lambda: _note(ids))
        hooks.data[_KEY].update(self.ids)

    def bench_start_work(self):
        """Give every cron worker something to do until the benchmark says stop."""
        for name in ("cron_busy_1", "cron_busy_2"):
            self.env.ref(f"bench_push.{name}").sudo()._trigger()
        return True

    def _bench_work(self, name):
        """Work and wait in turns, as a job does that talks to somebody else."""
        marker = _FOLDER / f"busy-{name}"
        marker.touch()
        stop_at = time.monotonic() + _LONGEST_WORK
        try:
            while (_FOLDER / "work").exists() and time.monotonic() < stop_at:
                self.search_read([], ["name", "email", "city", "country_id"], limit=100)
                self.env.cr.commit()
                self.env.invalidate_all()
                time.sleep(0.01)
        finally:
            marker.unlink()


def _note(ids):
    line = f"{time.monotonic_ns()} {' '.join(map(str, ids))}\n"
    # One write to a file opened for appending: lines of several processes do not mix.
    file = os.open(_FOLDER / "commits", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
