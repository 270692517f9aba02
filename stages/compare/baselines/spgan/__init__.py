"""SPGAN (Deng et al., CVPR 2018): the pictures of a labelled set, restyled as those of an unlabelled one."""
