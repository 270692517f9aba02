"""A person in the loop: which pairs are worth a look, and what a few answers say of the number of individuals."""
