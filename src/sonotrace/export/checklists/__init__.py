"""What the checklists are made of: the items of both guidelines, and what the pipeline can answer to them."""
