import logging

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..postgres.bigints import BigInteger

_logger = logging.getLogger(__name__)

STATES = [
    ("running", "Running"),  # the next run of the cron does the next batches
    ("done", "Done"),
    ("cancelled", "Cancelled"),  # a user stopped it
    ("failed", "Failed"),  # an error stopped it
]


class WebhookJob(models.AbstractModel):
    """Work on many rows that is done in the background, in batches.

    Each batch is committed together with the progress of the job, so an interrupted job goes on
    where it stopped.
    """

    _name = "webhook.job"
    _description = "Webhook Background Job"
    _webhook_recordable = False
    _order = "id DESC"

    #: external id of the cron that runs the jobs of the model
    _webhook_cron = None

    state = fields.Selection(STATES, default="running", required=True, readonly=True, copy=False)
    last_id = BigInteger(readonly=True, aggregator=None, copy=False)
    done = BigInteger(readonly=True, copy=False, help="Records or deliveries done so far.")
    failure = fields.Text(readonly=True, copy=False, help="Why the last batch failed.")

    @api.model_create_multi
    def create(self, vals_list):
        jobs = super().create(vals_list)
        if jobs:
            jobs._trigger()
        return jobs

    def action_cancel(self):
        """Stop jobs. Batches that are done stay done."""
        self.filtered(lambda job: job.state == "running").state = "cancelled"

    def action_resume(self):
        """Let stopped jobs go on where they stopped."""
        self.check_access("write")  # also on no records, of which ``write`` asks for no right
        stopped = self.filtered(lambda job: job.state in ("cancelled", "failed"))
        if stopped:
            stopped.write({"state": "running", "failure": False})
            self._trigger()

    def _trigger(self):
        self.env.ref(self._webhook_cron)._trigger()

    @api.model
    def _cron_run(self):
        """Run batches until the time of the cron is over. Each batch is committed."""
        cron = self.env["ir.cron"]
        while job := self.search([("state", "=", "running")], order="id", limit=1):
            try:
                done = job._run_batch()
                self.env.cr.flush()
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                # Another transaction changed a row while this one waited for it: read it again.
                self.env.cr.rollback()
                continue
            except Exception as error:  # the jobs behind this one must not wait for it
                self.env.cr.rollback()
                done = 0
                _logger.exception("A webhook job stopped. job=%s", job)
                job.exists()._fail(error)
            left = self.search_count([("state", "=", "running")])
            if not cron._commit_progress(done, remaining=left):
                break

    def _fail(self, error):
        """Stop the job, and say why."""
        reason = str(error)
        if isinstance(error, psycopg2.Error):  # its text may contain values of records
            reason = error.diag.message_primary or ""
        if not isinstance(error, UserError):
            reason = self.env._(
                "%(kind)s: %(reason)s (see the log of the server)",
                kind=type(error).__name__,
                reason=reason,
            )
        self.write({"state": "failed", "failure": reason})

    @api.model
    def _erase_failures(self, naming):
        """Erase the failures that hold a text of a record.

        :param naming: ``capture.naming.Naming``
        """
        for job in self.search([("failure", "!=", False)]):
            if naming.text_in_answers(job.failure):
                job.failure = self.env["update.webhook"]._erased_mark()

    def _run_batch(self):
        """Do the next batch; end the job if there is none.

        :return: how many rows were done
        """
        raise NotImplementedError

    def _advance(self, ids):
        """Note the rows that were done; no rows end the job.

        :param list ids: in ascending order
        :return: how many there are
        """
        if ids:
            self.write({"last_id": ids[-1], "done": self.done + len(ids)})
        else:
            self.state = "done"
        return len(ids)
