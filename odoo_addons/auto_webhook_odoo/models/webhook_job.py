import logging

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

_logger = logging.getLogger(__name__)

STATES = [
    ("running", "Running"),  # goes on with the next run of the cron
    ("done", "Done"),
    ("cancelled", "Cancelled"),  # stopped by an administrator
    ("failed", "Failed"),  # stopped by an error
]


class WebhookJob(models.AbstractModel):
    """Something that is done with many rows, in the background and in batches.

    Each batch is committed together with how far it got, so a job that is interrupted goes on where
    it stopped.
    """

    _name = "webhook.job"
    _description = "Webhook Background Job"
    _webhook_recordable = False
    _order = "id DESC"

    #: external id of the cron that runs the jobs of the model
    _webhook_cron = None

    state = fields.Selection(STATES, default="running", required=True, readonly=True, copy=False)
    last_id = fields.Integer(readonly=True, aggregator=None, copy=False)
    done = fields.Integer(readonly=True, copy=False, help="How many have been dealt with so far.")

    failure = fields.Text(readonly=True, copy=False, help="Why the last batch could not be done.")

    @api.model_create_multi
    def create(self, vals_list):
        jobs = super().create(vals_list)
        jobs._trigger()
        return jobs

    def action_cancel(self):
        """Stop. What was done stays done."""
        self.filtered(lambda job: job.state == "running").state = "cancelled"

    def action_resume(self):
        """Go on where a job stopped."""
        stopped = self.filtered(lambda job: job.state in ("cancelled", "failed"))
        stopped.write({"state": "running", "failure": False})
        self._trigger()

    def _trigger(self):
        self.env.ref(self._webhook_cron)._trigger()

    @api.model
    def _cron_run(self):
        """Do the next batches until the time of the cron is over; each is committed."""
        cron = self.env["ir.cron"]
        while job := self.search([("state", "=", "running")], order="id", limit=1):
            try:
                done = job._run_batch()
                self.env.cr.flush()
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # a row was changed while its lock was waited for: read it again, as it is now
                self.env.cr.rollback()
                continue
            except Exception as error:  # the jobs behind it must not wait for whatever this is
                self.env.cr.rollback()
                done = 0
                _logger.exception("%s stopped.", job)
                job.exists()._fail(error)
            left = self.search_count([("state", "=", "running")])
            if not cron._commit_progress(done, remaining=left):
                break

    def _fail(self, error):
        reason = str(error)
        if isinstance(error, psycopg2.Error):  # its text may contain values
            reason = error.diag.message_primary or ""
        if not isinstance(error, UserError):
            reason = self.env._(
                "%(kind)s: %(reason)s (the log of the server tells more)",
                kind=type(error).__name__,
                reason=reason,
            )
        self.write({"state": "failed", "failure": reason})

    def _run_batch(self):
        """Do the next batch; end the job if there is none.

        :return: how many were done
        """
        raise NotImplementedError

    def _advance(self, ids):
        """Note that these were done, the last one being the highest; none ends the job."""
        if ids:
            self.write({"last_id": ids[-1], "done": self.done + len(ids)})
        else:
            self.state = "done"
        return len(ids)
