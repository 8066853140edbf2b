"""Files that tests put into the catalog's folders are no tests and no modules of their own."""

collect_ignore = ["additions"]
