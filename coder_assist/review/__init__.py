"""The review: what coders decide about encounters, kept so that nothing is lost."""
