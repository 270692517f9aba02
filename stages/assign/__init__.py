"""New samples and the clusters there are: which one each is nearest to, or none of them, and how sure that is."""
