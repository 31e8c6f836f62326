"""Which events a user may see, as an SQL condition.

One definition for all readers: the feed, confirmations, figures, and what is pushed to a receiver.
"""


def visible(table, companies, models):
    """Return the SQL condition for the rows of a table that a user may see.

    :param table: alias of ``update_webhook``, or of another table with its columns ``company_id``
        and ``model``
    :param companies: SQL expression: an array with the ids of the user's companies
    :param models: SQL expression: an array with the names of the models that the user may see, or
        NULL for all models
    """
    return (
        f"({table}.company_id IS NULL OR {table}.company_id = ANY({companies}))"
        f" AND ({models} IS NULL OR {table}.model = ANY({models}))"
    )
