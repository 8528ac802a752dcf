"""A client's round: a link to some pictures of a table, whose marks come back as choices in the rows."""
