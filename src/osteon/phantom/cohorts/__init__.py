"""One module a system, each with ``make_case(rng, options, folder, name) -> Case``; ``phantom.cohort`` finds them."""
