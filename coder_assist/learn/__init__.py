"""Corpora, training and evaluation: a pack and its metrics out of coded notes."""
