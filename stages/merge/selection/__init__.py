"""Which pairs merge: the criterion, the ranking of pairs, and the walks over them."""
