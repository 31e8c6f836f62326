"""Through which company, and in which language, a record is seen (design: "Values")."""


def main_company(env):
    """Return the main company, without a query if it is the usual one."""
    company_id = env["ir.model.data"]._xmlid_to_res_id("base.main_company")
    companies = env["res.company"]
    return companies.browse(company_id) if company_id else companies._get_main_company()


def language(company):
    """Return the code of the language that a company sees, without a query if there is one only."""
    installed = company.env["res.lang"].get_installed()
    return installed[0][0] if len(installed) == 1 else company.partner_id.lang or "en_US"
