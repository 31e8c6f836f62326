from odoo import api, models, tools


class ResCompany(models.Model):
    """Tells which branches a company has, for records that its branches may see, too."""

    _inherit = "res.company"

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create(vals_list)
        if companies.parent_id:
            self.env.registry.clear_cache()
        return companies

    @api.model
    @tools.ormcache()
    def _webhook_branches(self):
        """Return ``{id of a company: ids of all branches below it}`` for companies with branches.

        Odoo moves no branch to another company.
        """
        self.env.cr.execute("SELECT id, parent_path FROM res_company WHERE parent_path LIKE '%/%/'")
        branches = {}
        for branch_id, path in self.env.cr.fetchall():
            for ancestor in path.split("/")[:-2]:  # the last two: the branch itself, and nothing
                branches.setdefault(int(ancestor), []).append(branch_id)
        return branches
