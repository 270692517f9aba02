"""When to stop: measures of a stage that need no identities, and rules that choose a stage by them."""
