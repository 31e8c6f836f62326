"""Chooses the company and the language in which the values of an event are shown."""


def main_company(env):
    """Return the main company. Needs no query if it has its usual external id."""
    company_id = env["ir.model.data"]._xmlid_to_res_id("base.main_company")
    companies = env["res.company"]
    return companies.browse(company_id) if company_id else companies._get_main_company()


def language(company):
    """Return the code of a company's language. Needs no query if only one language is installed."""
    installed = company.env["res.lang"].get_installed()
    return installed[0][0] if len(installed) == 1 else company.partner_id.lang or "en_US"
