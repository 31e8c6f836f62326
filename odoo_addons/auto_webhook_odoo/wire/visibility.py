"""Which events a user may see, as SQL conditions.

One definition for all readers: the feed, confirmations, figures, and what is pushed to a receiver.

A row may have arrays of companies. ``company_ids`` says who sees the event, if its ``company_id``
does not. ``left_company_ids`` says who saw the record before the change and does not see it after
it. These companies see the row, too, but learn from it only that the record is gone.
"""

#: Stands in an array for all companies, also for those that do not exist yet. (0 would not do: a
#: domain of Odoo cannot tell it from an empty value.)
ALL_COMPANIES = -1


def visible(table, companies, models):
    """Return the SQL condition for the rows of a table that a user may see.

    :param table: alias of ``update_webhook``, or of another table with its columns ``company_id``,
        ``company_ids``, ``left_company_ids`` and ``model``
    :param companies: SQL expression: an array with the ids of the user's companies
    :param models: SQL expression: an array with the names of the models that the user may see, or
        NULL for all models
    """
    return (
        f"({_shown(table, companies)}"
        f" OR {table}.left_company_ids && ({companies} || {ALL_COMPANIES}))"
        f" AND ({models} IS NULL OR {table}.model = ANY({models}))"
    )


def gone(table, companies):
    """Return the SQL condition for rows, among those visible, of records that are gone for a user.

    The parameters are those of ``visible``.
    """
    return f"({table}.left_company_ids IS NOT NULL AND ({_shown(table, companies)}) IS NOT TRUE)"


def _shown(table, companies):
    """Return the SQL condition for rows that show a user the record; NULL counts as false."""
    return (
        f"({table}.company_ids IS NULL"
        f" AND ({table}.company_id IS NULL OR {table}.company_id = ANY({companies}))"
        f" OR {table}.company_ids && ({companies} || {ALL_COMPANIES}))"
    )


def shows(companies, company_id, company_ids):
    """Return what ``_shown`` tells, for an event that is in no table.

    :param companies: set of the ids of the user's companies
    :param company_id: of the event, or None
    :param company_ids: set of ids, or None, as ``EventGroup.shown_to`` holds them
    """
    if company_ids is None:
        return company_id is None or company_id in companies
    return not company_ids.isdisjoint({*companies, ALL_COMPANIES})


def companies_of(user):
    """Return an SQL expression: an array with the ids of a user's companies.

    :param user: SQL expression: the id of the user
    """
    return f"""
        ARRAY(
            SELECT company.id FROM res_company_users_rel member
              JOIN res_company company ON company.id = member.cid AND company.active
             WHERE member.user_id = {user}
        )
    """  # noqa: S608  # constants
