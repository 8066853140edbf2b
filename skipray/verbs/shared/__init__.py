"""What several verbs share: options, the sweep that an argument names, reports, notices, what is said and printed."""
