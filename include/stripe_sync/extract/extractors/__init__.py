"""Record extractors: what is made of the objects of a collection."""
